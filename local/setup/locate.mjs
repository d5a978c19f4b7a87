// @ts-check
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The programs of a Kubernetes control plane, and kubectl. Changing a version here means changing local/binaries too. */
export const kubernetesVersion = 'v1.34.4';
export const etcdVersion = 'v3.6.8';
export const binaryNames = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'];

/** As Go and the download sites call it. */
export const architectures = { x64: 'amd64', arm64: 'arm64' };

/** One cache for all checkouts of this user. @param {NodeJS.ProcessEnv} env */
export function cacheFolder(env) {
  return env.TENANTRY_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tenantry');
}

/** Where the binaries of exactly these versions are kept. @param {NodeJS.ProcessEnv} env @param {string} arch */
export function binariesFolder(env, arch = process.arch) {
  return join(cacheFolder(env), `kubernetes-${kubernetesVersion}-etcd-${etcdVersion}-linux-${arch}`);
}

/** @param {string} folder */
export function holdsBinaries(folder) {
  return binaryNames.every((name) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The folder that holds all of them: KUBEBUILDER_ASSETS, then the cache. @param {NodeJS.ProcessEnv} env @returns {string | undefined} */
export function locateBinaries(env) {
  return [env.KUBEBUILDER_ASSETS, binariesFolder(env)].find((folder) => folder !== undefined && folder !== '' && holdsBinaries(folder));
}
