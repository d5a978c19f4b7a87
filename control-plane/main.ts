import { createLog } from './log.ts';
import { readSettings, type Settings } from './settings.ts';
import { type ControlPlane, startControlPlane } from './start.ts';

/** Ends the process with a message for the person who runs it. The exit code is 2 for a wrong configuration. */
function fail(status: 1 | 2, message: string): never {
  console.error(message);
  process.exit(status);
}

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    return fail(2, (error as Error).message);
  }
}

const settings = settingsOrExit();
const log = createLog(settings.logLevel);
const controlPlane: ControlPlane = await startControlPlane(settings, log).catch((error: unknown) => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') fail(1, `The control plane cannot start: port ${settings.port} is taken. Set PORT to a free one.`);
  return fail(1, `The control plane cannot start: ${error instanceof Error ? error.message : 'unknown error'}`);
});

/** Longest wait for the end, in milliseconds. It is shorter than the pod's grace period without its preStop. Work that still hangs is abandoned. */
const endingMs = 30_000;
let ending = false;

/** Ends the process after requests are answered and the audit has stored its records as far as it can. */
async function end(status: 0 | 1): Promise<void> {
  if (ending) return;
  ending = true;
  setTimeout(() => {
    log.error({ afterMs: endingMs }, 'shutdown timed out');
    process.exit(1);
  }, endingMs).unref();
  await controlPlane.stop().catch((err: unknown) => log.error({ err }, 'control plane did not stop cleanly'));
  process.exit(status);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(0));
// The state is unknown now, but outcomes that wait for the database are still true: they are stored.
process.on('uncaughtException', (err) => {
  log.fatal({ err }, 'unexpected error, shutting down');
  void end(1);
});
