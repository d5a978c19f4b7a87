import { createLog } from './log.ts';
import { readSettings, type Settings } from './settings.ts';
import { startControlPlane } from './start.ts';

function settingsOrExit(): Settings {
  try {
    return readSettings(process.env);
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

const settings = settingsOrExit();
const log = createLog(settings.logLevel);
const controlPlane = await startControlPlane(settings, log);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    void controlPlane.stop().then(() => process.exit(0));
  });
}
