/** A Kubernetes API with the custom resources and nothing that acts on them but the control plane, for tests that stop and break things. */
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, inject } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { Settings } from '../../../control-plane/settings.ts';
import { type ControlPlane, startControlPlane } from '../../../control-plane/start.ts';
import { labels, namespaceOf, pod } from '../../../crds/names.ts';
import type { Tenant, TenantSpec } from '../../../crds/tenant.ts';
import { KubeClient } from '../../../kube/client.ts';
import { type KubeObject, kinds, type Resource } from '../../../kube/resources.ts';
import { ensureAuditKey } from '../../../local/audit-key.ts';
import { startKubernetes } from '../../../local/kubernetes/start.ts';
import type { Postgres } from '../../../local/postgres/start.ts';
import { startWorkos, type WorkosStandIn } from '../../../local/workos/start.ts';
import type { Lease } from '../../clean-clusters.ts';
import { eventually } from '../../eventually.ts';
import { secretsInText } from '../../log-watch.ts';
import { startStore } from './store-server.ts';

const fieldManager = 'test';
export const baseUrl = 'http://localhost:9';

export interface Cluster {
  readonly client: KubeClient;
  /** Kubeconfig with exactly the rights of control-plane/rbac.yaml. */
  readonly kubeconfig: string;
  readonly workosDir: string;
  /** PostgreSQL as superuser. */
  readonly postgres: Postgres;
  /** The control plane's own database. */
  readonly storeUrl: string;
  readonly auditKeyFile: string;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** `lent` by the run, or a cluster of its own for what runs outside of it. */
  readonly kubernetes?: 'lent' | 'own';
  /** `shared` with the run, or a server of its own for tests that stop it. */
  readonly postgres?: 'shared' | 'own';
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const dir = await mkdtemp(join(tmpdir(), 'tenantry-control-plane-'));
  // PostgreSQL runs as another user: it must be able to pass through to its own folder.
  await chmod(dir, 0o711);
  const [kubernetes, { postgres, storeUrl }] = await Promise.all([
    options.kubernetes === 'own' ? ownKubernetes(join(dir, 'kubernetes')) : lentKubernetes(),
    startStore(dir, options.postgres ?? 'shared'),
  ]);
  const auditKeyFile = join(dir, 'audit-key.pem');
  ensureAuditKey(auditKeyFile);
  const client = KubeClient.fromConfig({ kubeconfig: kubernetes.admin });
  const apply = (resource: Resource, object: KubeObject) => client.apply(resource, object, { fieldManager });
  const definitions = readdirSync(new URL('../../../crds', import.meta.url)).filter((file) => file.endsWith('.yaml'));
  for (const file of definitions) await apply(kinds.CustomResourceDefinition, read(`crds/${file}`));
  for (const role of readAll('control-plane/rbac.yaml')) await apply(kinds.ClusterRole, role);
  const user = 'tenantry-control-plane';
  const bound = (name: string) => ({
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
  await apply(kinds.ClusterRoleBinding, { metadata: { name: user }, ...bound(user) });
  await apply(kinds.ClusterRoleBinding, { metadata: { name: `${user}-templates` }, ...bound(`${user}-templates`) });
  for (const name of [`${user}-events`, `${user}-lease`])
    await apply(kinds.RoleBinding, { metadata: { name, namespace: 'default' }, ...bound(name) });
  await eventually('the custom resources are served', async () => {
    await client.list(kinds.Tenant);
    const template = { metadata: { name: 'plain' }, ...{ spec: { containers: [{ name: 'api', image: 'none' }] } } };
    return apply(kinds.StackTemplate, template);
  });
  return {
    client,
    kubeconfig: kubernetes.controlPlane,
    workosDir: join(dir, 'workos'),
    postgres,
    storeUrl,
    auditKeyFile,
    stop: async () => {
      await client.close();
      await kubernetes.stop();
      await postgres.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface KubernetesInUse extends Pick<Lease, 'admin' | 'controlPlane'> {
  stop(): Promise<void>;
}

async function ownKubernetes(dir: string): Promise<KubernetesInUse> {
  const kubernetes = await startKubernetes({ dir, fsync: false, log: pino({ level: 'silent' }) });
  return { ...kubernetes.kubeconfigs, stop: () => kubernetes.stop() };
}

async function lentKubernetes(): Promise<KubernetesInUse> {
  const url = inject('tenantry').cleanClustersUrl;
  if (url === undefined) throw new Error('clusters are lent in local mode only');
  const response = await fetch(url, { method: 'POST' });
  if (!response.ok) throw new Error(`no cluster was lent: ${await response.text()}`);
  const lease = (await response.json()) as Lease;
  return {
    ...lease,
    stop: async () => {
      await fetch(`${url}/${lease.id}`, { method: 'DELETE' });
    },
  };
}

function readAll(file: string): KubeObject[] {
  const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS() as KubeObject);
}

const read = (file: string): KubeObject => readAll(file)[0] as KubeObject;

/** The control plane on free ports, and the log lines it wrote. */
export async function startPlane(
  cluster: Cluster,
  workos: Pick<WorkosStandIn, 'apiUrl' | 'apiKey' | 'clientId' | 'adminIssuer' | 'issuer'>,
  change: Partial<Settings> = {},
  tuning: Parameters<typeof startControlPlane>[2] = {},
) {
  const lines: string[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) });
  const { apiUrl, apiKey, clientId, adminIssuer, issuer } = workos;
  const plane: ControlPlane = await startControlPlane(
    {
      host: '127.0.0.1',
      port: 0,
      kubeconfig: cluster.kubeconfig,
      workos: { apiUrl, apiKey, clientId, webhookSecret: undefined },
      platformOrganizationId: 'org_01PLATFORM',
      storeUrl: cluster.storeUrl,
      audit: { keyFile: cluster.auditKeyFile, retentionDays: 400, recordsPerMinute: 3_000 },
      operatorAccount: 'tenantry-system/tenantry-operator',
      addressing: { baseUrl, mode: 'path' },
      adminUrl: undefined,
      defaultTenant: undefined,
      rateLimits: { perAdmin: 100_000, perAddress: 100_000 },
      trustedProxies: undefined,
      toolAccess: new Map([
        ['viewer', 'read'],
        ['*', 'all'],
      ]),
      adminIssuer,
      oauthIssuer: issuer,
      lease: undefined,
      replica: 'test',
      logLevel: 'debug',
      ...change,
    },
    log,
    { sweepMs: 1_000, ...tuning },
  );
  await eventually('the control plane is ready', async () => (await fetch(`${plane.url}/readyz`)).ok);
  const stop = async (): Promise<void> => {
    await plane.stop();
    expectNoSecrets(lines.join(''), cluster, workos);
  };
  return { ...plane, stop, lines };
}

/** What a control plane logged, whatever was done to it, has no secret that it was given or could have met. */
export function expectNoSecrets(
  text: string,
  { storeUrl, postgres }: Pick<Cluster, 'storeUrl' | 'postgres'>,
  { apiKey }: { readonly apiKey: string },
): void {
  const known = new Map([
    [apiKey, 'the API key of WorkOS'],
    [new URL(storeUrl).password, "the password of the control plane's database"],
    [new URL(postgres.url).password, 'the password of PostgreSQL'],
  ]);
  expect(secretsInText(text, known), 'secrets in logs').toEqual([]);
}

export function openWorkos(cluster: Cluster, port = 0): Promise<WorkosStandIn> {
  return startWorkos({ port, dir: cluster.workosDir });
}

/** A Tenant as kubectl would make it, with the endpoints the operator would give it. */
export async function createTenant(
  cluster: Cluster,
  name: string,
  organizationId?: string,
  more: Partial<TenantSpec> = {},
): Promise<Tenant> {
  const spec = { template: { name: 'plain' }, ...(organizationId === undefined ? {} : { organizationId }), ...more };
  await cluster.client.create(kinds.Tenant, { metadata: { name }, ...{ spec } });
  return publish(cluster, name, `${baseUrl}/t/${name}/mcp`);
}

/** Does what the operator does when it publishes a tenant. */
export function publish(
  cluster: Cluster,
  name: string,
  mcp: string,
  domains: NonNullable<Tenant['status']>['domains'] = [],
): Promise<Tenant> {
  const endpoints = { mcp, metadata: `${mcp}/metadata` };
  return cluster.client.apply<Tenant>(
    kinds.Tenant,
    { metadata: { name }, ...{ status: { endpoints, domains } } },
    { fieldManager: 'tenantry-operator', subresource: 'status' },
  );
}

/** Namespace and ServiceAccounts of a tenant, as the operator makes them. */
export async function createNamespace(cluster: Cluster, name: string, uid: string): Promise<void> {
  const namespace = namespaceOf(name);
  await cluster.client.create(kinds.Namespace, { metadata: { name: namespace, labels: { [labels.tenantUid]: uid } } });
  for (const account of [pod.serviceAccount, 'other']) {
    await cluster.client.create(kinds.ServiceAccount, { metadata: { name: account, namespace } });
  }
}

/** A token as the kubelet projects it into the sidecar. */
export async function podToken(
  cluster: Cluster,
  namespace: string,
  account: string = pod.serviceAccount,
  audience: string = pod.tokenAudience,
) {
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [audience], expirationSeconds: 600 } };
  const { status } = await cluster.client.post<{ status: { token: string } }>(kinds.ServiceAccount, account, 'token', request, {
    namespace,
  });
  return status.token;
}
