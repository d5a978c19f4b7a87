import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterAccess } from './access.ts';
import { nodeName, podRange } from './addresses.ts';
import { answers, type StartProgram } from './program.ts';

/** Makes the addresses of Services work, with nftables. */
export async function startKubeProxy(
  start: StartProgram,
  options: { program: string; folder: string; access: ClusterAccess },
): Promise<void> {
  const config = join(options.folder, 'kube-proxy.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
      kind: 'KubeProxyConfiguration',
      mode: 'nftables',
      clientConnection: { kubeconfig: await options.access.kubeconfig('kube-proxy', 'system:kube-proxy') },
      clusterCIDR: podRange,
      hostnameOverride: nodeName,
      oomScoreAdj: 0,
      // The table of connections is the whole machine's; its size is not ours to set.
      conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    }),
  );
  await start('kube-proxy', options.program, [`--config=${config}`], {
    ready: (signal) => answers('http://127.0.0.1:10256/healthz', signal),
  });
}
