// @ts-check
/**
 * Provides node_modules and the Kubernetes binaries. Prints nothing when both are there. It runs before `npm start` and `npm test`,
 * possibly in a checkout without installed packages, so it is plain JavaScript without dependencies, for Node 20 and later.
 * `--cluster` also provides the programs of a real single node cluster. `--print` prints the folders, one per line.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { staleness } from './installed.mjs';
import { clusterSet, localSet, locateBinaries } from './locate.mjs';
import { checkMachine } from './machine.mjs';
import { consoleProgress, Trouble } from './progress.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

try {
  const print = process.argv.includes('--print');
  checkMachine();
  const options = { root, env: process.env, progress: consoleProgress(process.stderr) };
  // Loaded only when needed, because this script runs before every start.
  if (!print && staleness(root) !== undefined) await (await import('./dependencies.mjs')).provideDependencies(options);
  for (const set of process.argv.includes('--cluster') ? [localSet, clusterSet] : [localSet]) {
    const folder = locateBinaries(process.env, set) ?? (await (await import('./binaries.mjs')).provideBinaries({ ...options, set }));
    if (print) process.stdout.write(`${folder}\n`);
  }
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  process.stderr.write(`\n${error.message}\n\n${error.remedy}\n`);
  process.exitCode = 1;
}
