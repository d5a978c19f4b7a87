import { join } from 'node:path';
import { clusterSet, localSet, locateBinaries } from '../setup/locate.mjs';

/** Paths of the programs that the local cluster runs. */
export interface Binaries {
  readonly folder: string;
  readonly etcd: string;
  readonly apiServer: string;
  readonly controllerManager: string;
  readonly kubectl: string;
}

/** Paths of the programs of a real single node cluster. The distribution's packages (containerd, runc, CNI plugins) come on top. */
export interface ClusterBinaries extends Binaries {
  readonly scheduler: string;
  readonly kubelet: string;
  readonly kubeProxy: string;
  readonly helm: string;
  readonly coredns: string;
  readonly traefik: string;
  /** The static program of the pause image. */
  readonly pause: string;
  /** A folder of YAML files: Gateway API's custom resource definitions of the standard channel. */
  readonly gatewayApiManifests: string;
  /** Enforces NetworkPolicies. */
  readonly ciliumAgent: string;
  readonly ciliumCni: string;
  /** A folder of YAML files: Cilium's custom resource definitions. */
  readonly ciliumDefinitions: string;
  /** Holds the folder `bpf`. The agent compiles the C sources in it and writes headers there: its `--lib-dir` is a copy. */
  readonly ciliumLibrary: string;
}

/**
 * Finds the Kubernetes binaries in KUBEBUILDER_ASSETS or in the cache, where local/setup/setup.mjs has put them.
 * @throws Error that says how to get them.
 */
export function findBinaries(env: NodeJS.ProcessEnv = process.env): Binaries {
  const folder = locateBinaries(env, localSet);
  if (folder === undefined) {
    throw new Error(`the Kubernetes binaries are missing; run \`${localSet.command}\`, which fetches or builds them`);
  }
  return {
    folder,
    etcd: join(folder, 'etcd'),
    apiServer: join(folder, 'kube-apiserver'),
    controllerManager: join(folder, 'kube-controller-manager'),
    kubectl: join(folder, 'kubectl'),
  };
}

/**
 * Finds the programs of a real single node cluster, including those of `findBinaries`, where `local/setup/setup.mjs --cluster` has put
 * them. Each program is statically linked, so an image that holds only the program works.
 * @throws Error that says how to get them.
 */
export function findClusterBinaries(env: NodeJS.ProcessEnv = process.env): ClusterBinaries {
  const folder = locateBinaries(env, clusterSet);
  if (folder === undefined || locateBinaries(env, localSet) === undefined) {
    throw new Error(`the binaries of a real cluster are missing; run \`${clusterSet.command}\`, which fetches or builds them`);
  }
  return {
    ...findBinaries(env),
    scheduler: join(folder, 'kube-scheduler'),
    kubelet: join(folder, 'kubelet'),
    kubeProxy: join(folder, 'kube-proxy'),
    helm: join(folder, 'helm'),
    coredns: join(folder, 'coredns'),
    traefik: join(folder, 'traefik'),
    pause: join(folder, 'pause'),
    gatewayApiManifests: join(folder, 'gateway-api'),
    ciliumAgent: join(folder, 'cilium-agent'),
    ciliumCni: join(folder, 'cilium-cni'),
    ciliumDefinitions: join(folder, 'cilium-crds'),
    ciliumLibrary: folder,
  };
}
