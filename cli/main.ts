/** The command line of Tenantry; started by tenantry.mjs. */
import { exitCodes } from './exit-codes.ts';
import { processTerminal } from './process-terminal.ts';
import { run } from './program.ts';

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // A second signal ends the process at once.
    if (interrupted.signal.aborted) process.exit(exitCodes.interrupted);
    interrupted.abort(new Error(name));
  });
}
// The reader of a pipe may close it early: `tenantry tenants list | head -1`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(exitCodes.ok);
  });
}
process.exitCode = exitCodes[await run(processTerminal(interrupted.signal), process.argv.slice(2))];
