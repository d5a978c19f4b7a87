// @ts-check
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Changing a version here means changing local/binaries too. */
export const kubernetesVersion = 'v1.34.4';
export const etcdVersion = 'v3.6.8';
export const helmVersion = 'v3.21.4';
export const corednsVersion = 'v1.12.4';
export const traefikVersion = 'v3.6.0';
export const ciliumVersion = 'v1.15.19';
/** The Gateway API version that Traefik supports. */
export const gatewayApiVersion = 'v1.4.0';
/** Version of the program in local/binaries/pause. */
export const pauseVersion = 'v1.0.0';

/**
 * Programs that are provided together in one folder. Its name contains their versions, so a new version gets a new folder.
 * @typedef {object} BinarySet
 * @property {string} purpose feature that needs them
 * @property {string} versions as shown to users
 * @property {string} folder
 * @property {readonly string[]} names in build order
 * @property {string} downloads approximate size, as shown to users
 * @property {number} bytes required disk space, with a margin
 * @property {string} goCaches disk space that Go needs to build all of them, as shown to users
 * @property {string} command that provides them
 */

/** The programs of a Kubernetes control plane, and kubectl. `npm start` and `npm test` need only these. @type {BinarySet} */
export const localSet = {
  purpose: 'The local cluster',
  versions: `Kubernetes ${kubernetesVersion}, etcd ${etcdVersion}`,
  folder: `kubernetes-${kubernetesVersion}-etcd-${etcdVersion}`,
  names: ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'],
  downloads: 'about 300 MB once, a minute or two',
  bytes: 1e9,
  goCaches: '4 GB',
  command: 'node local/setup/setup.mjs',
};

/** Additional programs for a node, its network and its gateway, and helm. `gateway-api`, `cilium-crds` and `bpf` are folders. @type {BinarySet} */
export const clusterSet = {
  purpose: 'A real single node cluster',
  versions: `Kubernetes ${kubernetesVersion}, helm ${helmVersion}, CoreDNS ${corednsVersion}, Traefik ${traefikVersion}, Cilium ${ciliumVersion}`,
  folder: [
    `cluster-kubernetes-${kubernetesVersion}-helm-${helmVersion}-coredns-${corednsVersion}-traefik-${traefikVersion}`,
    `cilium-${ciliumVersion}-gateway-api-${gatewayApiVersion}-pause-${pauseVersion}`,
  ].join('-'),
  names: [
    ...['kubelet', 'kube-scheduler', 'kube-proxy', 'pause', 'gateway-api', 'helm', 'coredns', 'traefik'],
    ...['cilium-agent', 'cilium-cni', 'cilium-crds', 'bpf'],
  ],
  downloads: 'about 350 MB once, a minute or two',
  bytes: 2e9,
  goCaches: '13 GB',
  command: 'node local/setup/setup.mjs --cluster',
};

/** Architectures by Node's names, with the names that Go and the download sites use. */
export const architectures = { x64: 'amd64', arm64: 'arm64' };

/** Returns the cache folder, which all checkouts of this user share. @param {NodeJS.ProcessEnv} env */
export function cacheFolder(env) {
  return env.TENANTRY_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tenantry');
}

/**
 * Returns the folder of Node's compile cache, which halves the CPU time of each start. Only this user may write to it, because Node runs
 * the code in it. @param {NodeJS.ProcessEnv} env
 */
export function compileCache(env) {
  return join(cacheFolder(env), 'node');
}

/** Returns the cache folder for exactly these versions of the programs. @param {NodeJS.ProcessEnv} env @param {BinarySet} set @param {string} arch */
export function binariesFolder(env, set, arch = process.arch) {
  return join(cacheFolder(env), `${set.folder}-linux-${arch}`);
}

/** @param {string} folder @param {BinarySet} set */
export function holdsBinaries(folder, set) {
  return set.names.every((name) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Returns the folder that contains the whole set. Looks in KUBEBUILDER_ASSETS, then in the cache.
 * @param {NodeJS.ProcessEnv} env @param {BinarySet} set @returns {string | undefined}
 */
export function locateBinaries(env, set) {
  return [env.KUBEBUILDER_ASSETS, binariesFolder(env, set)].find(
    (folder) => folder !== undefined && folder !== '' && holdsBinaries(folder, set),
  );
}
