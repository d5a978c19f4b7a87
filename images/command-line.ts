/**
 * Runs before `npm pack`: bundles the command line into dist/command-line, where its launcher finds it in an installed package. Node
 * does not run TypeScript below node_modules.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { thirdPartyNotices } from './notices.ts';
import { root } from './programs.ts';

const { values } = parseArgs({ options: { output: { type: 'string', default: join(root, 'dist', 'command-line') } } });
const folder = resolve(values.output);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const { modules } = await bundle(root, ['cli/main.ts'], folder);
// The program reads its version from this file, which also marks the files as modules.
writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ version, type: 'module' }, null, 2)}\n`);
writeFileSync(join(folder, 'THIRD-PARTY-NOTICES'), thirdPartyNotices(modules));
