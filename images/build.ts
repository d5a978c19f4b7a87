/** `npm run build`: writes the programs of each image as plain JavaScript into a folder laid out like /app. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from './bundle.ts';
import { thirdPartyNotices } from './notices.ts';
import { images, programsOf, root } from './programs.ts';

const { values } = parseArgs({ options: { output: { type: 'string', default: 'dist' } } });
const { version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string; license: string };

for (const image of images) {
  const folder = resolve(values.output, image);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { modules } = await bundle(root, programsOf(image), folder);
  // Marks the files as modules, too.
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name: `tenantry-${image}`, version, license, type: 'module' }, null, 2)}\n`,
  );
  writeFileSync(join(folder, 'THIRD-PARTY-NOTICES'), thirdPartyNotices(modules));
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  console.log(`${folder}: ${programsOf(image).length} programs of ${modules.length} modules`);
}
