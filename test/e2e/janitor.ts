import { removeRun, runFolder } from './run-folder.ts';

/**
 * Waits outside of the namespaces until the launcher has ended, however it did, and removes what is left of its run. Its standard input
 * is a pipe from the launcher, which the kernel closes.
 */
const [path = '', keep = ''] = process.argv.slice(2);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.stdin.resume();
process.stdin.on('error', () => {});
await new Promise((resolve) => process.stdin.once('close', resolve));
await removeRun(runFolder(path), keep === 'keep');
