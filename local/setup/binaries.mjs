// @ts-check
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { buildBinary, buildDurations, checkGo } from './build.mjs';
import { ChecksumError, UnreachableError } from './download.mjs';
import { binariesFolder, cacheFolder, locateBinaries } from './locate.mjs';
import { withLock } from './lock.mjs';
import { follow, shared, Trouble } from './progress.mjs';
import { download, enumerate, hostsOf, isPublished, probe, publishers } from './releases.mjs';

/**
 * @typedef {object} Options
 * @property {string} root the checkout
 * @property {import('./locate.mjs').BinarySet} set
 * @property {NodeJS.ProcessEnv} env
 * @property {import('./progress.mjs').Progress} progress
 * @property {import('./releases.mjs').Publishers} [from]
 */

/**
 * Returns the folder of a set of programs: KUBEBUILDER_ASSETS, or the cache. Fills the cache with downloads when needed. Programs that
 * are not published, and all programs in a closed network, are built with Go. @param {Options} options @returns {Promise<string>}
 */
export async function provideBinaries(options) {
  const { env, progress, set } = options;
  const present = locateBinaries(env, set);
  if (present !== undefined) return present;
  const folder = binariesFolder(env, set);
  try {
    mkdirSync(folder, { recursive: true });
    const lock = join(cacheFolder(env), 'locks', 'kubernetes');
    const shown = `${lock}.progress`;
    const onWait = (/** @type {number} */ pid, /** @type {Promise<void>} */ released) =>
      follow(progress, `Waiting for process ${pid}, which provides the Kubernetes binaries for all checkouts`, shown, released);
    await withLock(lock, { onWait }, () =>
      fill(folder, { ...options, progress: shared(progress, shown) }).finally(() => rmSync(shown, { force: true })),
    );
  } catch (error) {
    throw explained(error, folder, set.command);
  }
  return folder;
}

/** @param {string} folder @param {Options} options */
async function fill(folder, options) {
  const { env, progress, set, from = publishers } = options;
  // Removes the files of an interrupted run. The lock keeps other processes out.
  for (const name of readdirSync(folder)) if (name.startsWith('.')) rmSync(join(folder, name), { recursive: true, force: true });
  const missing = set.names.filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return;
  progress.say(`${set.purpose} needs ${missing.join(', ')} (${set.versions}); they go to ${folder}.`);
  const closed = await whyClosed(missing, { env, from });
  const fetched = closed === undefined ? missing.filter(isPublished) : [];
  const built = missing.filter((name) => !fetched.includes(name));
  const whyBuild = closed === undefined ? `nobody publishes ${enumerate(built)} as files` : `they cannot be downloaded here (${closed})`;
  // Checked before the first download, so that a missing Go shows before a long wait.
  if (built.length > 0) {
    const reach = `let this machine reach ${hostsOf(built)} (a proxy is taken from HTTPS_PROXY),`;
    await checkGo(env, { names: built, set, whyBuild, remedies: built.every(isPublished) ? [reach] : [] });
  }
  requireSpace(folder, set.bytes);
  if (fetched.length > 0) {
    progress.say(`Downloading ${fetched.join(', ')} from ${hostsOf(fetched)}, checked by SHA-256: ${set.downloads}.`);
    for (const name of fetched)
      await place(folder, name, (target) => progress.step(name, (detail) => download(name, target, { env, from, detail })));
  }
  if (built.length > 0) {
    const cost = `${buildDurations(built)}, and ${set.goCaches} of disk for Go's caches.`;
    progress.say(`${whyBuild[0]?.toUpperCase()}${whyBuild.slice(1)}, so Go builds them once: ${cost}`);
  }
  for (const name of built)
    await place(folder, name, (target) => progress.step(`${name} from its Go module`, () => buildBinary(name, target, options)));
}

/** @param {readonly string[]} names @param {{env: NodeJS.ProcessEnv, from: import('./releases.mjs').Publishers}} options @returns {Promise<string | undefined>} */
async function whyClosed(names, options) {
  try {
    await probe(names, options);
    return undefined;
  } catch (error) {
    if (error instanceof UnreachableError) return error.message;
    throw error;
  }
}

/** Puts a program in place atomically. @param {string} folder @param {string} name @param {(target: string) => Promise<void>} make */
async function place(folder, name, make) {
  const temporary = join(folder, `.${name}.${process.pid}.new`);
  try {
    await make(temporary);
    renameSync(temporary, join(folder, name));
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** @param {string} folder @param {number} bytes */
function requireSpace(folder, bytes) {
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytes) {
    throw new Trouble(
      `There is not enough room in ${folder}: ${Math.round((bavail * bsize) / 1e6)} MB free, ${bytes / 1e6} MB needed.`,
      'Free some, or choose a cache folder on another disk with TENANTRY_CACHE.',
    );
  }
}

/** @param {unknown} error @param {string} folder @param {string} command */
function explained(error, folder, command) {
  if (error instanceof ChecksumError) {
    return new Trouble(
      `A download was refused: ${error.message}.`,
      'Something between this machine and the publisher changes files (a proxy, a mirror). Run the command again on another network, or install the binaries by hand and name their folder in KUBEBUILDER_ASSETS.',
    );
  }
  if (error instanceof UnreachableError)
    return new Trouble(`A download failed: ${error.message}.`, 'Run the command again; what is complete is kept.');
  switch (/** @type {NodeJS.ErrnoException} */ (error).code) {
    case 'ENOSPC':
      return new Trouble(`The disk with ${folder} is full.`, 'Free some, or choose a cache folder on another disk with TENANTRY_CACHE.');
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
      return new Trouble(
        `This user cannot write to ${folder}.`,
        `Choose a cache folder that can be written: TENANTRY_CACHE=/path ${command}`,
      );
    default:
      return error;
  }
}
