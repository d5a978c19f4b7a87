import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeletClientName } from '../../../local/kubernetes/start.ts';
import type { ClusterAccess } from './access.ts';
import { clusterDomain, dnsAddress, nodeAddress, nodeName } from './addresses.ts';
import { containerdSocket } from './containerd.ts';
import type { Kubectl } from './kubectl.ts';
import { answers, type StartProgram } from './program.ts';

/** The node agent. Its folder is in the run's, so that volumes are on a disk; the logs of the pods are among the other logs. */
export async function startKubelet(
  start: StartProgram,
  options: {
    readonly program: string;
    readonly folder: string;
    readonly podLogs: string;
    readonly cgroup: string;
    readonly access: ClusterAccess;
    readonly kubectl: Kubectl;
  },
): Promise<void> {
  const { program, folder, podLogs, cgroup, access, kubectl } = options;
  mkdirSync(podLogs, { recursive: true });
  mkdirSync(folder, { recursive: true });
  const serving = await access.serverCertificate('kubelet', { commonName: nodeName, names: [nodeName], addresses: [nodeAddress] });
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: access.authorityFile } },
      authorization: { mode: 'Webhook' },
      tlsCertFile: serving.certFile,
      tlsPrivateKeyFile: serving.keyFile,
      containerRuntimeEndpoint: `unix://${containerdSocket}`,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: cgroup,
      failSwapOn: false,
      // Lowering it needs CAP_SYS_RESOURCE, which a virtual machine may not have.
      oomScoreAdj: 0,
      clusterDNS: [dnsAddress],
      clusterDomain,
      podLogsDir: podLogs,
      volumePluginDir: join(folder, 'plugins'),
      serializeImagePulls: false,
      // A disk that others fill must not evict the tests' pods or remove their images, which no registry has.
      evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.available': '0%' },
      imageGCHighThresholdPercent: 100,
      // Changes of ConfigMaps and Secrets reach their volumes within this time.
      syncFrequency: '10s',
    }),
  );
  // Logs and exec: kubelet asks what the API server's own client may do.
  await kubectl.apply([
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: kubeletClientName },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:kubelet-api-admin' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: kubeletClientName }],
    },
  ]);
  const kubeconfig = await access.kubeconfig('kubelet', `system:node:${nodeName}`, ['system:nodes']);
  await start(
    'kubelet',
    program,
    [
      `--config=${config}`,
      `--kubeconfig=${kubeconfig}`,
      `--root-dir=${folder}`,
      `--hostname-override=${nodeName}`,
      `--node-ip=${nodeAddress}`,
    ],
    { ready: (signal) => answers('http://127.0.0.1:10248/healthz', signal) },
  );
}
