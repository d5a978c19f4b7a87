import { execFile } from 'node:child_process';
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { nodePodRange, podBridge } from './addresses.ts';
import { policyPlugin } from './network-policies.ts';
import type { StartProgram } from './program.ts';

const execute = promisify(execFile);
export const containerdSocket = '/run/containerd/containerd.sock';
/** Where kubelet's containers and images are, among those of other users of containerd. */
export const containerdNamespace = 'k8s.io';
const networkFolder = '/etc/cni/net.d';
/** f_type of overlayfs (statfs(2)): overlay filesystems cannot be put on top of it. */
const overlayType = 0x794c7630;

/** The container runtime, with a root of its own in `folder`, and the pods' network. */
export async function startContainerd(
  start: StartProgram,
  { folder, sandboxImage, plugins }: { folder: string; sandboxImage: string; plugins: string },
): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  mkdirSync(networkFolder, { recursive: true });
  writeFileSync(join(networkFolder, '10-pods.conflist'), JSON.stringify(podNetwork()));
  const config = join(folder, 'config.toml');
  writeFileSync(config, configuration(folder, sandboxImage, plugins));
  await start('containerd', 'containerd', ['--config', config], {
    ready: async () => (await ctr('version')).includes('Server:'),
  });
}

/** Runs containerd's own client. @returns its standard output. */
export async function ctr(...args: string[]): Promise<string> {
  const { stdout } = await execute('ctr', ['--address', containerdSocket, '--namespace', containerdNamespace, ...args]);
  return stdout;
}

function configuration(folder: string, sandboxImage: string, plugins: string): string {
  const snapshotter = statfsSync(folder).type === overlayType ? 'native' : 'overlayfs';
  return `version = 2
root = "${folder}/root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${containerdSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${sandboxImage}"
  # Where CAP_SYS_RESOURCE is missing, a pod that asks for a lower score fails with "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "${networkFolder}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}

/** Pods keep their own addresses towards the node: there is no other network to hide them from. */
function podNetwork(): object {
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        type: 'bridge',
        bridge: podBridge,
        isGateway: true,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: nodePodRange }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
      policyPlugin,
    ],
  };
}
