import { join } from 'node:path';
import { locateBinaries } from './setup/locate.mjs';

/** Paths of the programs that the local cluster runs. */
export interface Binaries {
  readonly folder: string;
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string;
  readonly kubectl: string;
}

/**
 * Finds the Kubernetes binaries in KUBEBUILDER_ASSETS or in the cache, where local/setup/setup.mjs has put them.
 * @throws Error that says how to get them.
 */
export function findBinaries(env: NodeJS.ProcessEnv = process.env): Binaries {
  const folder = locateBinaries(env);
  if (folder === undefined) {
    throw new Error('the Kubernetes binaries are missing; run `node local/setup/setup.mjs`, which fetches or builds them');
  }
  return {
    folder,
    etcd: join(folder, 'etcd'),
    apiServer: join(folder, 'kube-apiserver'),
    controllerManager: join(folder, 'kube-controller-manager'),
    kubectl: join(folder, 'kubectl'),
  };
}
