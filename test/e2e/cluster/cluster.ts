import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { ensureAuditKey } from '../../../local/audit-key.ts';
import { type Demo, platformOrganization, seed } from '../../../local/demo.ts';
import { findClusterBinaries } from '../../../local/kubernetes/binaries.ts';
import { Authority } from '../../../local/kubernetes/pki.ts';
import { type Kubernetes, startKubernetes } from '../../../local/kubernetes/start.ts';
import { startPostgres } from '../../../local/postgres/start.ts';
import { ensureStoreDatabase } from '../../../local/postgres/store-database.ts';
import { startWorkos, type WorkosStandIn } from '../../../local/workos/start.ts';
import { writeEnvironment } from '../environment.ts';
import type { RunFolder } from '../run-folder.ts';
import { ClusterAccess } from './access.ts';
import { gatewayAddress, gatewayNamespace, nodeAddress, nodeName, podRange, tenantsDomain, workosHost } from './addresses.ts';
import { containerdNamespace, containerdSocket, startContainerd } from './containerd.ts';
import { writeContext } from './context.ts';
import { dnsObjects } from './dns.ts';
import { gatewayObjects } from './gateway.ts';
import { importNodeImages, importProductImages, nodeImages } from './images.ts';
import { startKubeProxy } from './kube-proxy.ts';
import { Kubectl } from './kubectl.ts';
import { startKubelet } from './kubelet.ts';
import { untilNamesResolve } from './names.ts';
import { pluginsWithPolicies, startNetworkPolicies } from './network-policies.ts';
import { programsIn } from './program.ts';
import { startScheduler } from './scheduler.ts';

const workosPort = 4010;

export interface ClusterOptions {
  readonly signal: AbortSignal;
  /** Told what has been done, for people. */
  readonly say: (text: string) => void;
}

/**
 * Starts a whole cluster of one node in the namespaces this process is in, which prepareFilesystem and prepareNetwork have made ready,
 * and writes how to reach it into the run's folder. Nothing of it is ever stopped: it ends with the namespaces.
 */
export async function startCluster(run: RunFolder, { signal, say }: ClusterOptions): Promise<void> {
  const began = performance.now();
  const done = (what: string): void => say(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${what}`);
  const binaries = findClusterBinaries();
  const log = pino({ level: 'warn' }, pino.destination(join(run.path, 'cluster.log')));
  const start = programsIn(join(run.path, 'logs'), log, signal);

  const runtime = async (): Promise<void> => {
    const plugins = pluginsWithPolicies(binaries);
    await startContainerd(start, { folder: join(run.path, 'containerd'), sandboxImage: nodeImages.pause, plugins });
    const product = process.env['TENANTRY_E2E_IMAGES'];
    await importNodeImages(join(run.path, 'images'), binaries);
    if (product !== undefined) await importProductImages(product);
    done('containerd with the images of the node and of Tenantry');
  };
  const controlPlane = async (): Promise<Kubernetes> => {
    const nodes = { address: nodeAddress, podRange };
    const kubernetes = await startKubernetes({ dir: join(run.path, 'kubernetes'), fsync: false, log, signal, binaries, nodes });
    done('etcd, API server, controller manager');
    return kubernetes;
  };
  const [kubernetes, postgres, identity, gateway] = await Promise.all([
    controlPlane(),
    startPostgres({ dir: join(run.path, 'postgres'), fsync: false, log, signal, address: nodeAddress }),
    startIdentity(run.path),
    Authority.open(join(run.path, 'gateway'), 'gateway-ca'),
    runtime(),
  ]);

  const kubectl = new Kubectl(binaries.kubectl, kubernetes.kubeconfigs.admin);
  const access = await ClusterAccess.open(join(run.path, 'kubernetes'), kubernetes.url);
  await Promise.all([
    startScheduler(start, { program: binaries.scheduler, access }),
    startKubelet(start, {
      program: binaries.kubelet,
      folder: join(run.path, 'kubelet'),
      podLogs: join(run.path, 'logs/pods'),
      cgroup: run.cgroup,
      access,
      kubectl,
    }),
    startKubeProxy(start, { program: binaries.kubeProxy, folder: join(run.path, 'kubernetes'), access }),
    startNetworkPolicies(start, { programs: binaries, access, kubectl }),
    kubectl.apply(dnsObjects(nodeImages.coredns)),
    installGateway(kubectl, binaries.gatewayApiManifests, gateway),
  ]);
  done('scheduler, kubelet, kube-proxy, Cilium');
  await kubectl.run(['wait', '--for=condition=Ready', `node/${nodeName}`, '--timeout=60s']);
  done('the node is Ready');
  await Promise.all([
    kubectl.run(['-n', 'kube-system', 'rollout', 'status', 'deployment/coredns', '--timeout=60s']),
    kubectl.run(['-n', gatewayNamespace, 'rollout', 'status', 'deployment/traefik', '--timeout=60s']),
    kubectl.run(['-n', gatewayNamespace, 'wait', '--for=condition=Programmed', 'gateway/public', '--timeout=60s']),
  ]);
  await untilNamesResolve(signal);
  done('CoreDNS and Traefik are up');
  const { apiUrl, issuer, clientId, apiKey, adminIssuer } = identity.workos;
  const platformOrganizationId = platformOrganization(identity.workos).id;
  const auditKeyFile = join(run.path, 'audit-key.pem');
  ensureAuditKey(auditKeyFile);
  writeContext({
    folder: run.path,
    kubeconfig: kubernetes.kubeconfigs.admin,
    postgresUrl: postgres.url,
    storeUrl: await ensureStoreDatabase(postgres.url, join(run.path, 'store-password')),
    auditKeyFile,
    // Nothing outside calls in: changes of memberships are learnt by polling alone.
    workos: { apiUrl, issuer, clientId, apiKey, adminIssuer, platformOrganizationId, webhookSecret: undefined },
    adminToken: identity.demo.adminToken,
    gatewayAuthority: gateway.certFile,
  });
  writeEnvironment(run.path, {
    TENANTRY_E2E_RUN: run.path,
    KUBECONFIG: kubernetes.kubeconfigs.admin,
    NODE_EXTRA_CA_CERTS: gateway.certFile,
    CONTAINERD_ADDRESS: containerdSocket,
    CONTAINERD_NAMESPACE: containerdNamespace,
    PATH: `${dirname(binaries.helm)}:${binaries.folder}:${process.env['PATH']}`,
  });
}

/** The stand-in for WorkOS, reached by pods and tests under one name, with its demo accounts. */
async function startIdentity(run: string): Promise<{ workos: WorkosStandIn; demo: Demo }> {
  const workos = await startWorkos({ host: nodeAddress, publicHost: workosHost, port: workosPort, dir: join(run, 'workos') });
  return { workos, demo: await seed(workos) };
}

async function installGateway(kubectl: Kubectl, definitions: string, authority: Authority): Promise<void> {
  const certificate = await authority.issue({ commonName: tenantsDomain, names: [tenantsDomain, `*.${tenantsDomain}`], usage: 'server' });
  const defined = (await kubectl.run(['apply', '--server-side', '-f', definitions, '-o', 'name'])).trim().split('\n');
  // Not `condition=Established`, which fails on a definition so new that it has no conditions yet.
  const established = 'jsonpath={.status.conditions[?(@.type=="Established")].status}=True';
  await kubectl.run(['wait', `--for=${established}`, ...defined, '--timeout=30s']);
  await kubectl.apply(gatewayObjects(nodeImages.traefik, certificate));
  // What a cloud's load balancer would do.
  const status = JSON.stringify({ status: { loadBalancer: { ingress: [{ ip: gatewayAddress }] } } });
  await kubectl.run(['-n', gatewayNamespace, 'patch', 'service', 'traefik', '--subresource=status', '--type=merge', '-p', status]);
}
