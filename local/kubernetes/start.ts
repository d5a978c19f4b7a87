import { mkdirSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { KubeClient } from '../../kube/client.ts';
import { kinds } from '../../kube/resources.ts';
import { claimFolder } from '../machine/claimed-folder.ts';
import { writePrivate } from '../machine/files.ts';
import { keepPorts } from '../machine/ports.ts';
import { type Log, type Supervised, supervise } from '../machine/process.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { nodeRole, nodeRoleBinding, nodeUser } from './node-role.ts';
import { Authority, type Certificate, type CertificateFiles, kubeconfigOf, openServiceAccountKey } from './pki.ts';

const loopback = '127.0.0.1';
const serviceRange = '10.96.0.0/16';
const serviceIssuer = 'https://kubernetes.default.svc.cluster.local';
/** Name of the client that reads logs from the node agent. The node agent refuses every other client. */
export const kubeletClientName = 'kube-apiserver-kubelet-client';

export interface KubernetesOptions {
  /** State folder: certificates, ports, data and logs. It survives restarts. */
  readonly dir: string;
  /** False trades durability for speed, for temporary data. Default true. */
  readonly fsync?: boolean;
  readonly log: Log;
  readonly signal?: AbortSignal;
  readonly binaries?: Binaries;
  /** Set for a cluster with real nodes. When left out, the pods are local processes (see local/node). */
  readonly nodes?: RealNodes;
}

export interface RealNodes {
  /** Address at which nodes and pods reach the API server. It belongs to this machine and is not loopback. */
  readonly address: string;
  /** Address range of pods. Each node gets a part of it. */
  readonly podRange: string;
}

/** Settings that let only the API server reach the node agent's server. */
export interface NodeServing extends CertificateFiles {
  /** Authority of client certificates. */
  readonly clientCaFile: string;
  /** Common name that a client certificate must have. */
  readonly clientName: string;
}

export interface Kubernetes {
  readonly url: string;
  /** Files, each with its own user: cluster-admin, `tenantry-operator`, `tenantry-control-plane` and `tenantry-node`. */
  readonly kubeconfigs: { readonly admin: string; readonly operator: string; readonly controlPlane: string; readonly node: string };
  readonly nodeServing: NodeServing;
  stop(): Promise<void>;
}

/**
 * Starts a real Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager, without a scheduler and without nodes
 * (see local/node). Takes about 8 s. Resolves when namespaces get their ServiceAccounts.
 * Without real nodes it listens on loopback and runs no EndpointSlice controllers, because EndpointSlices refuse the loopback addresses
 * of local pods.
 * @throws Error with the end of the failing program's log.
 */
export async function startKubernetes(options: KubernetesOptions): Promise<Kubernetes> {
  const { dir, log, signal, nodes } = options;
  const address = nodes?.address ?? loopback;
  const binaries = options.binaries ?? findBinaries();
  const folder = await claimFolder(dir);
  if (folder.orphans > 0) log.info({ processes: folder.orphans }, 'ended what an earlier run had left');
  const running: Supervised[] = [];
  const stop = async () => {
    for (const part of running.reverse()) await part.stop();
    folder.release();
  };
  try {
    const { ports, moved } = await keepPorts(join(dir, 'ports.json'), ['etcd', 'etcdPeer', 'apiServer']);
    if (moved.includes('apiServer')) log.warn({ port: ports.apiServer }, 'port of the Kubernetes API was taken, using another');
    const pki = await issueCertificates(join(dir, 'pki'), address);
    const url = `https://${address}:${ports.apiServer}`;
    const kubeconfigs = await writeKubeconfigs(dir, url, pki.cluster);
    const logs = join(dir, 'logs');
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    const start = async (
      name: string,
      command: string,
      args: string[],
      more: { ready?: (signal: AbortSignal) => Promise<boolean> } = {},
    ) => {
      const logFile = join(logs, `${name}.log`);
      const env = { PATH: process.env['PATH'] ?? '', HOME: dir };
      running.push(await supervise({ name, command, args, env, logFile, records: folder.records, log, signal, ...more }));
    };

    const etcdUrl = `https://${loopback}:${ports.etcd}`;
    await start('etcd', binaries.etcd, etcdArguments(dir, etcdUrl, `https://${loopback}:${ports.etcdPeer}`, pki, options.fsync ?? true), {
      ready: (aborted) => answers(`${etcdUrl}/health`, pki.etcd, pki.etcdClientPair, aborted),
    });
    await start('kube-apiserver', binaries.apiServer, apiServerArguments(ports.apiServer, etcdUrl, pki, nodes), {
      ready: (aborted) => answers(`${url}/readyz`, pki.cluster, pki.healthClient, aborted),
    });
    const controllerManager = controllerManagerArguments(kubeconfigs.controllerManager, pki, nodes);
    await start('kube-controller-manager', binaries.controllerManager, controllerManager);
    await bootstrap(kubeconfigs.admin, nodes, signal);
    return {
      url,
      kubeconfigs,
      nodeServing: { ...pki.nodeServing, clientCaFile: pki.cluster.certFile, clientName: kubeletClientName },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Pki = Awaited<ReturnType<typeof issueCertificates>>;

/** etcd has its own certificate authority, because every certificate that it issues gives access to all Secrets. */
async function issueCertificates(folder: string, address: string) {
  const [cluster, etcd] = await Promise.all([Authority.open(folder, 'ca'), Authority.open(folder, 'etcd-ca')]);
  const here = { addresses: [loopback], names: ['localhost'] };
  const apiServerNames = [
    'localhost',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ];
  return {
    cluster,
    etcd,
    serviceAccount: await openServiceAccountKey(folder),
    etcdServer: await etcd.issueFiles('etcd-server', { commonName: 'etcd', usage: 'both', ...here }),
    etcdClient: await etcd.issueFiles('etcd-client', { commonName: 'kube-apiserver', usage: 'client' }),
    etcdClientPair: await etcd.issue({ commonName: 'health', usage: 'client' }),
    apiServer: await cluster.issueFiles('apiserver', {
      commonName: 'kube-apiserver',
      usage: 'server',
      addresses: [...new Set([loopback, address, '10.96.0.1'])],
      names: apiServerNames,
    }),
    kubeletClient: await cluster.issueFiles('apiserver-kubelet-client', { commonName: kubeletClientName, usage: 'client' }),
    nodeServing: await cluster.issueFiles('node-serving', { commonName: 'tenantry-node', usage: 'server', ...here }),
    healthClient: await cluster.issue({ commonName: 'tenantry-health', organizations: ['system:monitoring'], usage: 'client' }),
  };
}

async function writeKubeconfigs(dir: string, url: string, authority: Authority) {
  const write = async (file: string, user: string, organizations: string[] = []) => {
    const path = join(dir, file);
    writePrivate(path, kubeconfigOf(url, authority, user, await authority.issue({ commonName: user, organizations, usage: 'client' })));
    return path;
  };
  return {
    admin: await write('admin.kubeconfig', 'tenantry-admin', ['system:masters']),
    operator: await write('operator.kubeconfig', 'tenantry-operator'),
    controlPlane: await write('control-plane.kubeconfig', 'tenantry-control-plane'),
    node: await write('node.kubeconfig', nodeUser),
    controllerManager: await write('controller-manager.kubeconfig', 'system:kube-controller-manager'),
  };
}

function etcdArguments(dir: string, client: string, peer: string, pki: Pki, fsync: boolean): string[] {
  return [
    '--name=local',
    `--data-dir=${join(dir, 'etcd')}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=local=${peer}`,
    `--cert-file=${pki.etcdServer.certFile}`,
    `--key-file=${pki.etcdServer.keyFile}`,
    `--trusted-ca-file=${pki.etcd.certFile}`,
    '--client-cert-auth=true',
    `--peer-cert-file=${pki.etcdServer.certFile}`,
    `--peer-key-file=${pki.etcdServer.keyFile}`,
    `--peer-trusted-ca-file=${pki.etcd.certFile}`,
    '--peer-client-cert-auth=true',
    '--auto-compaction-retention=5m',
    '--quota-backend-bytes=2147483648',
    ...(fsync ? [] : ['--unsafe-no-fsync']),
  ];
}

function apiServerArguments(port: number, etcdUrl: string, pki: Pki, nodes: RealNodes | undefined): string[] {
  const address = nodes?.address ?? loopback;
  return [
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    `--etcd-servers=${etcdUrl}`,
    `--etcd-cafile=${pki.etcd.certFile}`,
    `--etcd-certfile=${pki.etcdClient.certFile}`,
    `--etcd-keyfile=${pki.etcdClient.keyFile}`,
    `--client-ca-file=${pki.cluster.certFile}`,
    `--tls-cert-file=${pki.apiServer.certFile}`,
    `--tls-private-key-file=${pki.apiServer.keyFile}`,
    `--kubelet-certificate-authority=${pki.cluster.certFile}`,
    `--kubelet-client-certificate=${pki.kubeletClient.certFile}`,
    `--kubelet-client-key=${pki.kubeletClient.keyFile}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--service-account-issuer=${serviceIssuer}`,
    `--service-account-key-file=${pki.serviceAccount.publicFile}`,
    `--service-account-signing-key-file=${pki.serviceAccount.keyFile}`,
    `--service-cluster-ip-range=${serviceRange}`,
    '--authorization-mode=Node,RBAC',
    '--anonymous-auth=false',
    '--allow-privileged=true',
    // Without real nodes the reconciler would write an EndpointSlice with the loopback address, which the API server refuses.
    ...(nodes ? ['--enable-admission-plugins=NodeRestriction'] : ['--endpoint-reconciler-type=none']),
    '--profiling=false',
  ];
}

function controllerManagerArguments(kubeconfig: string, pki: Pki, nodes: RealNodes | undefined): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    ...(nodes
      ? ['--allocate-node-cidrs=true', `--cluster-cidr=${nodes.podRange}`]
      : ['--controllers=*,-endpoints-controller,-endpointslice-controller,-endpointslice-mirroring-controller']),
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki.serviceAccount.keyFile}`,
    `--root-ca-file=${pki.cluster.certFile}`,
    `--cluster-signing-cert-file=${pki.cluster.certFile}`,
    `--cluster-signing-key-file=${pki.cluster.keyFile}`,
    '--leader-elect=false',
    // 0 turns the server off. It has no clients.
    '--secure-port=0',
    '--kube-api-qps=200',
    '--kube-api-burst=400',
    '--profiling=false',
  ];
}

/** Tells whether an HTTPS server with a certificate of `authority` answers 200. */
function answers(url: string, authority: Authority, client: Certificate, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const asking = request(
      url,
      { ca: authority.cert, cert: client.cert, key: client.key, agent: false, signal, timeout: 2_000 },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    asking.on('timeout', () => asking.destroy());
    asking.on('error', () => resolve(false));
    asking.end();
  });
}

/** Gives the node agent its rights, then waits until the controllers work. */
async function bootstrap(kubeconfig: string, nodes: RealNodes | undefined, signal: AbortSignal | undefined): Promise<void> {
  const client = KubeClient.fromConfig({ kubeconfig, userAgent: 'tenantry-local' });
  const deadline = AbortSignal.timeout(60_000);
  try {
    // Real nodes use Kubernetes' built-in role.
    if (nodes === undefined) {
      await client.apply(kinds.ClusterRole, nodeRole, { fieldManager: 'tenantry-local' });
      await client.apply(kinds.ClusterRoleBinding, nodeRoleBinding, { fieldManager: 'tenantry-local' });
    }
    while ((await client.find(kinds.ServiceAccount, 'default', { namespace: 'default', signal })) === undefined) {
      if (deadline.aborted) throw new Error('kube-controller-manager does not work: see its log in the state folder');
      await delay(50, undefined, { signal });
    }
  } finally {
    await client.close();
  }
}
