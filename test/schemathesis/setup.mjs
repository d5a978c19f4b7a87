// @ts-check
/** Provides schemathesis, which tries the Admin API's document against the Admin API: a Python environment of its own in the cache. Runs before `npm test`. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withLock } from '../../local/setup/lock.mjs';
import { consoleProgress, Trouble } from '../../local/setup/progress.mjs';
import { completeMark, environmentFolder, isComplete, requirements } from './locate.mjs';

const python = process.env.PYTHON ?? 'python3';
const progress = consoleProgress(process.stderr);

try {
  const folder = environmentFolder(process.env);
  if (!isComplete(folder)) {
    checkPython();
    const onWait = (/** @type {number} */ pid) => progress.say(`Waiting for process ${pid}, which installs schemathesis.`);
    await withLock(`${folder}.lock`, { onWait }, async () => {
      if (isComplete(folder)) return;
      progress.say('Installing schemathesis for the tests of the Admin API: about 30 MB, half a minute.');
      await progress.step('pip install', async () => install(folder));
    });
  }
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  process.stderr.write(`\n${error.message}\n\n${error.remedy}\n`);
  process.exitCode = 1;
}

function checkPython() {
  const remedy =
    'The tests try the Admin API with schemathesis, a Python program. On Debian 12, Ubuntu 24.04 or later: apt-get install python3-venv; elsewhere any Python from 3.11 on. PYTHON may name another one.';
  const { status, stdout } = spawnSync(python, ['-c', 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])'], {
    encoding: 'utf8',
  });
  const [major = 0, minor = 0] = (stdout ?? '').trim().split('.').map(Number);
  if (status !== 0) throw new Trouble(`There is no ${python} that can make environments (modules venv and ensurepip).`, remedy);
  if (major !== 3 || minor < 11) throw new Trouble(`${python} is version ${major}.${minor}; schemathesis needs 3.11 or later.`, remedy);
}

/** @param {string} folder */
async function install(folder) {
  await rm(folder, { recursive: true, force: true });
  run(python, ['-m', 'venv', folder], 'make a Python environment');
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--quiet', '--no-deps', '-r', requirements];
  run(join(folder, 'bin', 'python'), pip, 'install schemathesis');
  writeFileSync(join(folder, completeMark), '');
}

/** @param {string} command @param {string[]} args @param {string} purpose */
function run(command, args, purpose) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status === 0) return;
  const output = `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trim().split('\n').slice(-12).join('\n');
  throw new Trouble(
    `Could not ${purpose}:\n${output}`,
    'Behind a proxy set HTTPS_PROXY; with a mirror, `pip config set global.index-url <url>`; then run the command again.',
  );
}
