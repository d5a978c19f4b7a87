// @ts-check
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { staleness } from './installed.mjs';
import { cacheFolder } from './locate.mjs';
import { withLock } from './lock.mjs';
import { follow, Trouble } from './progress.mjs';

/**
 * Installs from the lockfile when node_modules is missing or stale.
 * @param {{root: string, env: NodeJS.ProcessEnv, progress: import('./progress.mjs').Progress}} options
 */
export async function provideDependencies({ root, env, progress }) {
  const reason = staleness(root);
  if (reason === undefined) return;
  const lock = join(cacheFolder(env), 'locks', `npm-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
  const onWait = (/** @type {number} */ pid, /** @type {Promise<void>} */ released) =>
    follow(progress, `Waiting for process ${pid}, which installs the dependencies of this checkout`, `${lock}.progress`, released);
  await lockedOrPlain(lock, onWait, async () => {
    if (staleness(root) === undefined) return;
    progress.say(`Installing dependencies from package-lock.json (${reason}): about 150 MB, 10 s to 2 min.`);
    await progress.step('npm ci', async () => {
      const { code, output } = await runNpm(root, env);
      if (code !== 0) throw npmTrouble(output);
    });
    const still = staleness(root);
    if (still !== undefined) {
      throw new Trouble(
        `After npm ci, ${still}.`,
        'npm may have been told to leave out optional or development packages: look for `omit` in `npm config list` and in NODE_ENV, then run `npm ci --include=optional --include=dev`.',
      );
    }
  });
}

/**
 * Runs `work` under the lock, or without it when the cache is not writable, so that npm can install in any case.
 * @param {string} lock @param {(pid: number, released: Promise<void>) => Promise<void>} onWait @param {() => Promise<void>} work
 */
async function lockedOrPlain(lock, onWait, work) {
  let began = false;
  const once = () => {
    began = true;
    return work();
  };
  try {
    await withLock(lock, { onWait }, once);
  } catch (error) {
    if (began) throw error;
    await work();
  }
}

/** @param {string} root @param {NodeJS.ProcessEnv} env @returns {Promise<{code: number, output: string}>} */
function runNpm(root, env) {
  // The npm that runs this script, or the npm in PATH when it was started by hand or by another package manager.
  const [command, ...first] = env.npm_execpath?.endsWith('npm-cli.js') ? [process.execPath, env.npm_execpath] : ['npm'];
  const args = [...first, 'ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=warn'];
  return new Promise((resolve) => {
    const child = spawn(command ?? 'npm', args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-20_000);
      });
    }
    child.on('error', (error) => resolve({ code: 127, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** @param {string} output */
function npmTrouble(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  // npm prints the errors first, then general usage.
  const errors = lines.filter((line) => /^npm (error|ERR!) ./.test(line));
  const message = `npm ci failed:\n${(errors.length > 0 ? errors : lines).slice(0, 12).join('\n')}`;
  if (/EUSAGE/.test(output)) {
    return new Trouble(
      message,
      'package.json and package-lock.json do not fit each other: `git checkout package.json package-lock.json`, or `npm install` after a change of your own.',
    );
  }
  if (/lockfileVersion|npm (error|ERR!) .*cannot read properties of undefined/i.test(output)) {
    return new Trouble(message, 'This npm is too old for the lockfile: `npm install --global npm@latest`, then run the command again.');
  }
  if (/ENOSPC/.test(output)) return new Trouble(message, 'The disk is full: free about 1 GB and run the command again.');
  if (/EACCES|EPERM|EROFS/.test(output)) {
    return new Trouble(
      message,
      'This user may not write here. If node_modules belongs to another user (after sudo), delete it as that user, then run the command again.',
    );
  }
  if (/ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|ECONNRESET|ENETUNREACH|network/i.test(output)) {
    return new Trouble(
      message,
      'The npm registry cannot be reached. Behind a proxy set HTTPS_PROXY; with a mirror, `npm config set registry <url>`; then run the command again.',
    );
  }
  if (/npm: not found|spawn npm ENOENT/.test(output))
    return new Trouble(message, 'Install npm (it comes with Node.js from https://nodejs.org).');
  if (/EINTEGRITY/.test(output))
    return new Trouble(message, 'A package does not match its checksum: run `npm cache verify`, then the command again.');
  return new Trouble(message, 'Run `npm ci` by hand to see all of it.');
}
