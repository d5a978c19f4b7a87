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
controlPlane.lost?.addEventListener('abort', () => {
  log.fatal('another replica leads, or the lease could not be renewed: ending at once');
  process.exit(1);
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void controlPlane.stop().then(() => process.exit(0));
  });
}
