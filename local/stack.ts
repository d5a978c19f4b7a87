import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { KubeClient } from '../kube/client.ts';
import { type KubeObject, kinds, type Resource } from '../kube/resources.ts';
import { ensureAuditKey } from './audit-key.ts';
import { confinementOf } from './confinement.ts';
import { type Identity, identityOfStandIn } from './identity.ts';
import { type Kubernetes, startKubernetes } from './kubernetes/start.ts';
import { claimFolder } from './machine/claimed-folder.ts';
import { keepPorts } from './machine/ports.ts';
import { type Log, type Supervised, supervise } from './machine/process.ts';
import { startNodeAgent } from './node/agent.ts';
import { compilePrograms } from './node/compiled.ts';
import { keepOperatorToken } from './operator-token.ts';
import { type Postgres, startPostgres } from './postgres/start.ts';
import { ensureStoreDatabase } from './postgres/store-database.ts';
import { startRouter } from './router/start.ts';
import { compileCache } from './setup/locate.mjs';
import { startWorkos, type WorkosOptions, type WorkosStandIn } from './workos/start.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const fieldManager = 'tenantry-local';
/** Image of the tenants' programs, as templates name it. The node agent runs the programs from this checkout. */
const tenantImage = 'tenantry/tenant';
const systemNamespace = 'tenantry-system';
const operatorAccount = { namespace: systemNamespace, account: 'tenantry-operator' } as const;

export interface StackOptions {
  /** State folder: all data, certificates, ports and logs. */
  readonly dir: string;
  /** False trades durability for speed, for temporary data. */
  readonly fsync?: boolean;
  readonly log: Log;
  /** WorkOS environment to use; the stand-in when undefined. */
  readonly identity: Identity | undefined;
  /** DNS servers (`address:port`) that resolve the records of custom domains. The machine's servers when left out. */
  readonly dnsServers?: readonly string[];
  /** Called when a part begins to start. */
  readonly onPart?: (part: string) => void;
  /** Called with a sentence for the user when another program has taken an address of an earlier start. */
  readonly onMoved?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

/** Tenantry on this machine, as it ships except for the container runtime, the gateway and WorkOS. */
export interface Stack {
  readonly kubernetes: Kubernetes;
  readonly postgres: Postgres;
  /** The WorkOS environment in use. */
  readonly identity: Identity;
  /** The stand-in. Undefined with a real environment. */
  readonly workos: WorkosStandIn | undefined;
  /** Client with the rights of a cluster admin. */
  readonly client: KubeClient;
  /** Base URL of the tenants: `<routerUrl>/t/<tenant>/mcp`. */
  readonly routerUrl: string;
  /** Base URL of the Admin API. */
  readonly adminUrl: string;
  /** Base URL of the operator's health and metrics. */
  readonly operatorUrl: string;
  readonly operator: Supervised;
  readonly controlPlane: Supervised;
  /** Folder of the logs, one file a program. */
  readonly logs: string;
  stop(): Promise<void>;
}

/** Path of the file that describes a run to scripts. It is in the state folder. */
export function descriptionFile(dir: string): string {
  return join(dir, 'local.json');
}

const notices = {
  router: (port) => `the tenants are now at http://localhost:${port}. Connect your LLM clients again.`,
  controlPlane: (port) => `the Admin API is now at http://localhost:${port}.`,
  operator: (port) => `the operator's health and metrics are now at http://localhost:${port}.`,
  workos: (port) => `the WorkOS stand-in is now at http://localhost:${port}. Sign in again.`,
} satisfies Record<string, (port: number) => string>;

/** Starts everything and resolves when operator and control plane are ready. About 12 s the first time. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dir, log, signal } = options;
  const part = options.onPart ?? (() => {});
  const stops: (() => Promise<void> | void)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const folder = await claimFolder(dir);
    // PostgreSQL and the pods run as other users, which must be able to traverse this folder to reach their own.
    chmodSync(dir, 0o711);
    stops.push(() => folder.release());
    // The file describes ready tenants of this run. An earlier run's file is removed now, and this run's file at the stop.
    const description = descriptionFile(dir);
    rmSync(description, { force: true });
    stops.push(() => rmSync(description, { force: true }));
    const { ports, moved, kept } = await keepPorts(join(dir, 'ports.json'), ['router', 'controlPlane', 'operator', 'workos']);
    for (const name of moved) options.onMoved?.(`Port ${kept[name]} is taken by another program: ${notices[name](ports[name])}`);
    const logs = join(dir, 'logs');
    mkdirSync(logs, { recursive: true, mode: 0o700 });

    const durable = { fsync: options.fsync ?? true, ...(signal ? { signal } : {}) };
    part(`Kubernetes API, etcd and controllers; PostgreSQL${options.identity === undefined ? '; WorkOS stand-in' : ''}`);
    const compiled = join(dir, 'compiled');
    const tenantProgram = join(root, 'templates/main.ts');
    const [kubernetes, postgres, workos] = await allOrNone(stops, [
      startKubernetes({ dir: join(dir, 'kubernetes'), log, ...durable }),
      startPostgres({ dir: join(dir, 'postgres'), log, ...durable }),
      options.identity === undefined
        ? standIn({ port: ports.workos, dir: join(dir, 'workos'), log: (message, details) => log.error({ err: details.error }, message) })
        : Promise.resolve(undefined),
      compilePrograms(compiled, programsOfTenants(tenantProgram), root).then(() => undefined),
    ] as const);
    const controlPlaneUrl = `http://127.0.0.1:${ports.controlPlane}`;
    const identity = options.identity ?? (await identityOfStandIn(standing(workos), controlPlaneUrl));
    const client = KubeClient.fromConfig({ kubeconfig: kubernetes.kubeconfigs.admin, userAgent: 'tenantry-local' });
    stops.push(() => client.close());

    const storeUrl = await ensureStoreDatabase(postgres.url, join(dir, 'store-password'));
    const auditKey = join(dir, 'audit-key.pem');
    ensureAuditKey(auditKey);

    part('custom resources, access rights and templates');
    await install(client);
    const operatorToken = join(dir, 'operator-token');
    const ending = new AbortController();
    stops.push(() => ending.abort());
    await keepOperatorToken({ client, ...operatorAccount, file: operatorToken, log, signal: ending.signal });

    part('node agent and router');
    const nodeClient = KubeClient.fromConfig({ kubeconfig: kubernetes.kubeconfigs.node, userAgent: 'tenantry-node' });
    stops.push(() => nodeClient.close());
    const agent = await startNodeAgent({
      client: nodeClient,
      dir: join(dir, 'node'),
      images: { [tenantImage]: { entrypoint: [process.execPath, tenantProgram], workingDir: root, compiled } },
      log,
      serving: kubernetes.nodeServing,
    });
    stops.push(() => agent.stop());
    const router = await startRouter({ client, port: ports.router, host: '127.0.0.1', log });
    stops.push(() => router.stop());

    part('operator and control plane');
    const program = { records: folder.records, log, ...(signal ? { signal } : {}), cwd: root, command: process.execPath };
    const base = {
      PATH: process.env['PATH'] ?? '',
      HOME: dir,
      NODE_ENV: 'production',
      NODE_COMPILE_CACHE: compileCache(process.env),
      LOG_LEVEL: process.env['LOG_LEVEL'] ?? 'info',
    };
    const routerUrl = router.url;
    await confine(client, routerUrl);
    const operatorUrl = `http://127.0.0.1:${ports.operator}`;
    const [operator, controlPlane] = await allOrNone(stops, [
      supervise({
        ...program,
        name: 'operator',
        args: [join(root, 'operator/main.ts')],
        logFile: join(logs, 'operator.log'),
        ready: (s) => answers(`${operatorUrl}/readyz`, s),
        env: {
          ...base,
          KUBECONFIG: kubernetes.kubeconfigs.operator,
          HOST: '127.0.0.1',
          PORT: String(ports.operator),
          TENANTRY_BASE_URL: routerUrl,
          TENANTRY_SIDECAR_IMAGE: tenantImage,
          TENANTRY_OAUTH_ISSUER: identity.issuer,
          TENANTRY_OAUTH_CLIENT_ID: identity.clientId,
          TENANTRY_CONTROL_PLANE_URL: controlPlaneUrl,
          TENANTRY_CONTROL_PLANE_TOKEN_FILE: operatorToken,
          TENANTRY_AUDIT_SPOOL_DIR: join(dir, 'operator-audit'),
          TENANTRY_OPERATOR_SUBJECT: 'User:tenantry-operator',
          TENANTRY_DATABASE_URL: postgres.url,
          TENANTRY_INGRESS_CLASS: 'tenantry-local',
          TENANTRY_DNS_SERVERS: (options.dnsServers ?? []).join(','),
          // The router drops a pod as soon as the pod begins to terminate.
          TENANTRY_DRAIN_SECONDS: '0',
          TENANTRY_LEASE: `${systemNamespace}/tenantry-operator`,
          // The same name for all runs lets the next start take over the Lease of a killed run at once.
          POD_NAME: 'local',
        },
      }),
      supervise({
        ...program,
        name: 'control plane',
        args: [join(root, 'control-plane/main.ts')],
        logFile: join(logs, 'control-plane.log'),
        ready: (s) => answers(`${controlPlaneUrl}/readyz`, s),
        env: {
          ...base,
          KUBECONFIG: kubernetes.kubeconfigs.controlPlane,
          HOST: '127.0.0.1',
          PORT: String(ports.controlPlane),
          WORKOS_API_KEY: identity.apiKey,
          WORKOS_CLIENT_ID: identity.clientId,
          WORKOS_API_URL: identity.apiUrl,
          ...(identity.webhookSecret === undefined ? {} : { WORKOS_WEBHOOK_SECRET: identity.webhookSecret }),
          TENANTRY_ADMIN_ISSUER: identity.adminIssuer,
          TENANTRY_OAUTH_ISSUER: identity.issuer,
          TENANTRY_PLATFORM_ORGANIZATION_ID: identity.platformOrganizationId,
          TENANTRY_STORE_URL: storeUrl,
          TENANTRY_AUDIT_KEY_FILE: auditKey,
          TENANTRY_OPERATOR_ACCOUNT: `${operatorAccount.namespace}/${operatorAccount.account}`,
          TENANTRY_BASE_URL: routerUrl,
          TENANTRY_ADMIN_URL: `http://localhost:${ports.controlPlane}`,
          // Tests and benchmarks make all calls as one administrator.
          TENANTRY_ADMIN_RATE_LIMIT: '1000000',
          TENANTRY_REFUSED_RATE_LIMIT: '1000000',
          TENANTRY_LEASE: `${systemNamespace}/tenantry-control-plane`,
          POD_NAME: 'local',
        },
      }),
    ] as const);
    return {
      kubernetes,
      postgres,
      identity,
      workos,
      client,
      routerUrl,
      adminUrl: `http://localhost:${ports.controlPlane}`,
      operatorUrl,
      operator,
      controlPlane,
      logs,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The sidecar and the programs of each stack, as arguments of Node. */
function programsOfTenants(main: string): string[][] {
  const folders = readdirSync(join(root, 'templates')).map((name) => ({ name, files: join(root, 'templates', name) }));
  const stacks = folders.filter(({ files }) => ['template.yaml', 'program.ts'].every((file) => existsSync(join(files, file))));
  return [[main, 'mcp'], ...stacks.map(({ name }) => [main, name, 'none'])];
}

/** Applies the custom resources, the roles of operator and control plane, and the built-in templates. */
async function install(client: KubeClient): Promise<void> {
  const apply = (resource: Resource, object: KubeObject): Promise<unknown> => client.apply(resource, object, { fieldManager });
  const definitions = readdirSync(join(root, 'crds'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => read(`crds/${name}`)[0] as KubeObject);
  for (const definition of definitions) await apply(kinds.CustomResourceDefinition, definition);
  for (const definition of definitions) await established(client, definition.metadata.name);
  await apply(kinds.Namespace, { metadata: { name: systemNamespace } });
  await apply(kinds.ServiceAccount, { metadata: { name: operatorAccount.account, namespace: operatorAccount.namespace } });
  for (const [part, user] of [
    ['operator', 'tenantry-operator'],
    ['control-plane', 'tenantry-control-plane'],
  ] as const) {
    for (const role of read(`${part}/rbac.yaml`)) await apply(kinds.ClusterRole, role);
    const bound = (name: string) => ({
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    });
    await apply(kinds.ClusterRoleBinding, { metadata: { name: user }, ...bound(user) });
    await apply(kinds.RoleBinding, { metadata: { name: `${user}-lease`, namespace: systemNamespace }, ...bound(`${user}-lease`) });
    if (part === 'control-plane') {
      await apply(kinds.ClusterRoleBinding, { metadata: { name: `${user}-templates` }, ...bound(`${user}-templates`) });
      await apply(kinds.RoleBinding, { metadata: { name: `${user}-events`, namespace: 'default' }, ...bound(`${user}-events`) });
    }
  }
  for (const folder of readdirSync(join(root, 'templates'))) {
    const file = `templates/${folder}/template.yaml`;
    if (existsSync(join(root, file))) for (const template of read(file)) await apply(kinds.StackTemplate, template);
  }
}

/** Applies the policies that confine the operator, before it starts. */
async function confine(client: KubeClient, baseUrl: string): Promise<void> {
  const installation = { account: 'tenantry-operator', namespace: systemNamespace, addressing: { baseUrl, mode: 'path' as const } };
  for (const object of confinementOf(installation)) {
    const isBinding = object.kind === 'ValidatingAdmissionPolicyBinding';
    await client.apply(isBinding ? kinds.ValidatingAdmissionPolicyBinding : kinds.ValidatingAdmissionPolicy, object, { fieldManager });
  }
}

async function established(client: KubeClient, name: string): Promise<void> {
  type Definition = KubeObject & { status?: { conditions?: { type: string; status: string }[] } };
  for (let tries = 0; tries < 100; tries++) {
    const { status } = await client.get<Definition>(kinds.CustomResourceDefinition, name);
    if (status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True')) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the API server did not accept the custom resource definition ${name}`);
}

function read(file: string): KubeObject[] {
  return parseAllDocuments(readFileSync(join(root, file), 'utf8')).map((document) => parse(document.toString()) as KubeObject);
}

async function answers(url: string, signal: AbortSignal): Promise<boolean> {
  const response = await fetch(url, { signal });
  await response.body?.cancel();
  return response.ok;
}

async function standIn(options: WorkosOptions): Promise<WorkosStandIn & Stoppable> {
  const workos = await startWorkos(options);
  return Object.assign(workos, { stop: () => workos.close() });
}

/** Returns the stand-in of a stack. @throws Error when the stack uses a real environment. */
export function standing(workos: WorkosStandIn | undefined): WorkosStandIn {
  if (workos === undefined) throw new Error('this stack uses a real WorkOS environment');
  return workos;
}

type Stoppable = { stop(): Promise<void> };

/** Awaits parts that start in parallel. Registers each for stopping, so that none keeps running when another fails. */
async function allOrNone<T extends readonly Promise<Stoppable | undefined>[]>(
  stops: (() => Promise<void> | void)[],
  parts: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const results = await Promise.allSettled(parts);
  for (const result of results) if (result.status === 'fulfilled') stops.push(() => result.value?.stop());
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<Stoppable | undefined>).value) as {
    -readonly [K in keyof T]: Awaited<T[K]>;
  };
}

/** Parts that have their own state folder and processes. */
const parts = ['kubernetes', 'postgres', 'node'] as const;

/**
 * Deletes all state of earlier starts. Ends the processes of a killed run first, because their records are deleted with the folder.
 * @throws Error that names the run that still uses the folder.
 */
export async function forget(dir: string): Promise<void> {
  for (const folder of [dir, ...parts.map((part) => join(dir, part))]) if (existsSync(folder)) (await claimFolder(folder)).release();
  rmSync(dir, { recursive: true, force: true });
}
