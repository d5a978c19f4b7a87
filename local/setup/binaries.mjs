// @ts-check
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { buildBinary, buildDurations, checkGo } from './build.mjs';
import { ChecksumError, fetchFile, fetchText, UnreachableError } from './download.mjs';
import { architectures, binariesFolder, binaryNames, cacheFolder, etcdVersion, kubernetesVersion, locateBinaries } from './locate.mjs';
import { withLock } from './lock.mjs';
import { Trouble } from './progress.mjs';
import { extractFile } from './tar.mjs';

/** Where the publishers keep their releases; a test names others. */
const publishers = { kubernetes: 'https://dl.k8s.io', etcd: 'https://github.com/etcd-io/etcd/releases/download' };

/**
 * @typedef {object} Options
 * @property {string} root the checkout
 * @property {NodeJS.ProcessEnv} env
 * @property {import('./progress.mjs').Progress} progress
 * @property {typeof publishers} [from]
 */

/**
 * The folder of etcd, kube-apiserver, kube-controller-manager and kubectl: KUBEBUILDER_ASSETS, the cache, or the cache after a
 * download or, in a closed network, a build with Go. @param {Options} options @returns {Promise<string>}
 */
export async function provideBinaries(options) {
  const { env, progress } = options;
  const present = locateBinaries(env);
  if (present !== undefined) return present;
  const folder = binariesFolder(env);
  try {
    mkdirSync(folder, { recursive: true });
    const onWait = (/** @type {number} */ pid) =>
      progress.say(`Waiting for process ${pid}, which provides the Kubernetes binaries for all checkouts.`);
    await withLock(join(cacheFolder(env), 'locks', 'kubernetes'), { onWait }, () => fill(folder, options));
  } catch (error) {
    throw explained(error, folder);
  }
  return folder;
}

/** @param {string} folder @param {Options} options */
async function fill(folder, options) {
  const { env, progress } = options;
  // What an interrupted run has left; nobody else is here.
  for (const name of readdirSync(folder)) if (name.startsWith('.')) rmSync(join(folder, name), { force: true });
  const missing = binaryNames.filter((name) => !existsSync(join(folder, name)));
  if (missing.length === 0) return;
  progress.say(
    `The local cluster needs ${missing.join(', ')} (Kubernetes ${kubernetesVersion}, etcd ${etcdVersion}); they go to ${folder}.`,
  );
  const closed = await whyClosed(options);
  if (closed === undefined) {
    progress.say('Downloading them from dl.k8s.io and github.com, checked by SHA-256: about 300 MB once, a minute or two.');
    requireSpace(folder, 1e9);
    for (const name of missing)
      await place(folder, name, (target) => progress.step(name, (detail) => download(name, target, { ...options, detail })));
    return;
  }
  await checkGo(env, closed);
  progress.say(
    `They cannot be downloaded here (${closed}), so Go builds them once: ${buildDurations(missing)}, and 4 GB of disk for Go's caches.`,
  );
  requireSpace(folder, 1e9);
  for (const name of missing)
    await place(folder, name, (target) => progress.step(`go build ${name}`, () => buildBinary(name, target, options)));
}

/** The publishers' smallest files tell whether the network is open. @param {Options} options @returns {Promise<string | undefined>} */
async function whyClosed({ env, from = publishers }) {
  try {
    await Promise.all([fetchText(kubernetesUrl(from, 'kubectl', '.sha256'), env), fetchText(etcdUrl(from, 'SHA256SUMS'), env)]);
    return undefined;
  } catch (error) {
    if (error instanceof UnreachableError) return error.message;
    throw error;
  }
}

/** @param {string} name @param {string} target @param {Options & {detail: (text: string) => void}} options */
async function download(name, target, { env, detail, from = publishers }) {
  if (name !== 'etcd') {
    const sum = (await fetchText(kubernetesUrl(from, name, '.sha256'), env)).trim().split(/\s/)[0] ?? '';
    await fetchFile(kubernetesUrl(from, name), sum, target, { env, detail });
    return;
  }
  const file = `etcd-${etcdVersion}-linux-${goarch()}.tar.gz`;
  const line = (await fetchText(etcdUrl(from, 'SHA256SUMS'), env)).split('\n').find((candidate) => candidate.trim().endsWith(` ${file}`));
  const archive = `${target}.tar.gz`;
  try {
    await fetchFile(etcdUrl(from, file), line?.trim().split(/\s/)[0] ?? '', archive, { env, detail });
    extractFile(archive, `etcd-${etcdVersion}-linux-${goarch()}/etcd`, target);
  } finally {
    rmSync(archive, { force: true });
  }
}

/** A file appears whole or not at all. @param {string} folder @param {string} name @param {(target: string) => Promise<void>} make */
async function place(folder, name, make) {
  const temporary = join(folder, `.${name}.${process.pid}.new`);
  try {
    await make(temporary);
    renameSync(temporary, join(folder, name));
  } finally {
    rmSync(temporary, { force: true });
  }
}

function goarch() {
  return architectures[/** @type {'x64' | 'arm64'} */ (process.arch)];
}

/** @param {typeof publishers} from @param {string} name */
function kubernetesUrl(from, name, suffix = '') {
  return `${from.kubernetes}/${kubernetesVersion}/bin/linux/${goarch()}/${name}${suffix}`;
}

/** @param {typeof publishers} from @param {string} file */
function etcdUrl(from, file) {
  return `${from.etcd}/${etcdVersion}/${file}`;
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

/** @param {unknown} error @param {string} folder */
function explained(error, folder) {
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
      return new Trouble(
        `The disk with ${folder} is full.`,
        'Free about 1 GB, or choose a cache folder on another disk with TENANTRY_CACHE.',
      );
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTDIR':
      return new Trouble(
        `This user cannot write to ${folder}.`,
        'Choose a cache folder that can be written: TENANTRY_CACHE=/path npm start',
      );
    default:
      return error;
  }
}
