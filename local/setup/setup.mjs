// @ts-check
/**
 * Runs before `npm start` and `npm test` in a checkout where nothing is installed yet: plain JavaScript without dependencies, on
 * Node 20 and later. Provides node_modules and the Kubernetes binaries; says nothing when both are there.
 * `--print` prints the folder of the binaries.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { staleness } from './installed.mjs';
import { locateBinaries } from './locate.mjs';
import { checkMachine } from './machine.mjs';
import { consoleProgress, Trouble } from './progress.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

try {
  const print = process.argv.includes('--print');
  checkMachine();
  const options = { root, env: process.env, progress: consoleProgress(process.stderr) };
  // Loaded only where there is something to do: this runs before every start.
  if (!print && staleness(root) !== undefined) await (await import('./dependencies.mjs')).provideDependencies(options);
  const folder = locateBinaries(process.env) ?? (await (await import('./binaries.mjs')).provideBinaries(options));
  if (print) process.stdout.write(`${folder}\n`);
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  process.stderr.write(`\n${error.message}\n\n${error.remedy}\n`);
  process.exitCode = 1;
}
