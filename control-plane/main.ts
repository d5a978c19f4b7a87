import { createLog } from './log.ts';
import { readSettings, type Settings } from './settings.ts';
import { type ControlPlane, startControlPlane } from './start.ts';

/** Ends the process with what an operator of it can act on; 2 for a configuration that cannot work. */
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

/** Less than the grace period of the pod, less its preStop. What hangs then, such as a database that does not answer, is left. */
const endingMs = 30_000;
let ending = false;

/** Ends the process, once requests are answered and the audit has what it can take. */
async function end(status: 0 | 1): Promise<void> {
  if (ending) return;
  ending = true;
  setTimeout(() => {
    log.error({ afterMs: endingMs }, 'not everything has ended in time');
    process.exit(1);
  }, endingMs).unref();
  await controlPlane.stop().catch((err: unknown) => log.error({ err }, 'control plane did not stop cleanly'));
  process.exit(status);
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(0));
// Nothing is known of the state any more, but outcomes that wait for the database still are true.
process.on('uncaughtException', (err) => {
  log.fatal({ err }, 'unexpected error: ending');
  void end(1);
});
