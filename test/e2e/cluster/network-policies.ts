import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cniPlugins } from '../preflight.mjs';
import type { ClusterAccess } from './access.ts';
import { nodeName, nodePodRange, policyAgentRange } from './addresses.ts';
import type { Kubectl } from './kubectl.ts';
import { answers, type StartProgram } from './program.ts';

/** Where Cilium's CNI plugin looks for its agent; /run is this node's own. */
const folder = '/run/cilium';
const user = 'cilium';

/** What enforces NetworkPolicies; see findClusterBinaries. */
export interface PolicyPrograms {
  readonly ciliumAgent: string;
  readonly ciliumCni: string;
  /** Holds `bpf`, the sources that the agent compiles at its start. */
  readonly ciliumLibrary: string;
  readonly ciliumDefinitions: string;
}

/** The plugin that follows the others in the pods' network and puts each pod under the agent's policies. */
export const policyPlugin = { type: 'cilium-cni', 'chaining-mode': 'generic-veth' } as const;

/** A folder with that plugin beside the distribution's, for containerd looks in one only. */
export function pluginsWithPolicies(programs: PolicyPrograms): string {
  const plugins = cniPlugins();
  if (plugins === undefined) throw new Error('the CNI plugins of the distribution are missing');
  const together = join(folder, 'plugins');
  mkdirSync(together, { recursive: true });
  for (const name of readdirSync(plugins)) symlinkSync(join(plugins, name), join(together, name));
  symlinkSync(programs.ciliumCni, join(together, policyPlugin.type));
  return together;
}

/**
 * Starts Cilium's agent for NetworkPolicies alone: the bridge carries the pods' packets and kube-proxy serves Services. It is in force when
 * this resolves; pods made before wait for it.
 */
export async function startNetworkPolicies(
  start: StartProgram,
  options: { programs: PolicyPrograms; access: ClusterAccess; kubectl: Kubectl },
): Promise<void> {
  const { programs, access, kubectl } = options;
  await kubectl.run(['apply', '--server-side', '-f', programs.ciliumDefinitions]);
  await kubectl.apply(rights());
  // The agent is started again when it ends; what it has loaded stays.
  mkdirSync(join(folder, 'bpf'), { recursive: true });
  execFileSync('mount', ['-t', 'bpf', 'bpf', join(folder, 'bpf')]);
  // It writes what it has found out about the kernel beside the sources.
  const library = join(folder, 'library');
  cpSync(join(programs.ciliumLibrary, 'bpf'), join(library, 'bpf'), { recursive: true });
  const settings = {
    'k8s-kubeconfig-path': await access.kubeconfig(user, user),
    'lib-dir': library,
    'bpf-root': join(folder, 'bpf'),
    'cgroup-root': join(folder, 'cgroup'),
    'identity-allocation-mode': 'crd',
    'cni-chaining-mode': policyPlugin['chaining-mode'],
    'cni-exclusive': false,
    ipam: 'kubernetes',
    // It takes one address for itself, which must not be one that the bridge's plugin gives to a pod.
    'ipv4-range': policyAgentRange,
    'routing-mode': 'native',
    'ipv4-native-routing-cidr': nodePodRange,
    'enable-ipv6': false,
    'enable-ipv4-masquerade': false,
    'enable-ipv6-masquerade': false,
    'enable-local-node-route': false,
    'enable-host-legacy-routing': true,
    'enable-l7-proxy': false,
    'enable-health-checking': false,
    'enable-endpoint-health-checking': false,
    // An ipBlock with the node's address means the node, as in most networks.
    'policy-cidr-match-mode': 'nodes',
  };
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  await start(user, 'unshare', ['--mount', 'bash', join(import.meta.dirname, 'policy-agent.sh'), folder, programs.ciliumAgent, ...args], {
    env: { PATH: `${compilerFolder()}:${process.env['PATH']}`, K8S_NODE_NAME: nodeName },
    ready: (signal) => answers('http://127.0.0.1:9879/healthz', signal),
  });
}

/** The agent makes every warning an error, and other versions of clang than its own warn of more. @returns a folder with a `clang`. */
function compilerFolder(): string {
  const compilers = join(folder, 'compiler');
  mkdirSync(compilers, { recursive: true });
  const clang = execFileSync('sh', ['-c', 'command -v clang'], { encoding: 'utf8' }).trim();
  writeFileSync(join(compilers, 'clang'), `#!/bin/sh\nexec ${clang} "$@" -w\n`, { mode: 0o755 });
  return compilers;
}

function rights(): object[] {
  const read = ['get', 'list', 'watch'];
  const of = (apiGroup: string, resources: string[], verbs: string[]): object => ({ apiGroups: [apiGroup], resources, verbs });
  return [
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: user },
      rules: [
        of('', ['namespaces', 'services', 'pods', 'endpoints', 'nodes'], read),
        of('discovery.k8s.io', ['endpointslices'], read),
        of('networking.k8s.io', ['networkpolicies'], read),
        of('apiextensions.k8s.io', ['customresourcedefinitions'], read),
        of('cilium.io', ['*'], [...read, 'create', 'update', 'patch', 'delete']),
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: user },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    },
  ];
}
