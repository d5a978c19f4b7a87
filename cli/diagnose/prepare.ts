import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KubeError } from '../../kube/errors.ts';
import type { DialOptions } from '../../kube/public-fetch.ts';
import { baseUrl } from '../config/connection.ts';
import { type LocalKubeconfig, localKubeconfig } from '../config/local-kubeconfig.ts';
import { Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';
import { causeOf } from './cause.ts';
import { Cluster } from './cluster.ts';
import { Commands } from './commands.ts';
import { type ControlPlaneTenant, controlPlaneTenant, controlPlaneView } from './control-plane-view.ts';
import { Outside } from './outside.ts';
import type { KnownTenant, Scene } from './scene.ts';

export interface Subject {
  /** Name of the tenant, or URL of its MCP endpoint. */
  readonly what: string;
  readonly domain: string | undefined;
  readonly kubeconfig: string | undefined;
  /** Whether to read the cluster. */
  readonly useCluster: boolean;
  readonly dialOptions: DialOptions;
  readonly token: string | undefined;
}

/** Gathers the facts about the tenant from the cluster, else from the control plane, else from its URL alone. */
export async function prepare(invocation: Invocation, subject: Subject): Promise<Scene> {
  const { terminal } = invocation;
  const given = /^https?:\/\//.test(subject.what) ? endpoint(subject.what) : undefined;
  const name = given === undefined ? subject.what : undefined;
  const inside = await openCluster(invocation, subject);
  let { cluster, because: noClusterBecause } = inside;
  let tenant: KnownTenant | undefined;
  if (cluster !== undefined) {
    try {
      tenant = name === undefined ? await cluster.tenantAt(given ?? '') : await cluster.tenant(name);
      if (tenant === undefined)
        noClusterBecause = `${cluster.server} has no ${name === undefined ? 'tenant with this URL' : `tenant ${name}`}`;
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      noClusterBecause = error.message;
    }
    if (tenant === undefined) {
      await cluster.close();
      cluster = undefined;
    }
  }
  const connection = invocation.connection();
  const told: ControlPlaneTenant =
    tenant === undefined && name !== undefined
      ? await controlPlaneTenant(invocation, connection, name)
      : { tenant: undefined, because: 'only a URL was given' };
  tenant ??= told.tenant;
  if (tenant === undefined && given === undefined) throw nothingKnown(name ?? '', noClusterBecause, told);
  const url = given ?? urlOf(tenant, subject.domain);
  return {
    tenant,
    unknownBecause: `no Tenant tells of it: ${noClusterBecause}; ${told.because}`,
    url,
    domain: subject.domain,
    cluster,
    noClusterBecause,
    outside: url === undefined ? undefined : new Outside(url, subject.dialOptions, terminal.signal),
    controlPlane: controlPlaneView(connection, terminal.signal),
    commands: new Commands({
      kubeconfig: inside.named,
      context: invocation.wanted,
      namespace: await cluster?.installationNamespace(),
      logs: connection?.source === 'local mode' ? logsOfLocalMode(invocation) : undefined,
    }),
    token: subject.token,
    now: terminal.now,
    signal: terminal.signal,
  };
}

function nothingKnown(name: string, noCluster: string, told: ControlPlaneTenant): Failure {
  return new Failure(told.missing === true ? 'notFound' : 'unavailable', `Nobody tells where tenant ${name} is.`, {
    details: [`cluster: ${noCluster}`, `control plane: ${told.because}`],
    remedy:
      'Give a kubeconfig (--kubeconfig), sign in (tenantry login), or look from outside by its URL: tenantry diagnose https://.../mcp',
  });
}

function urlOf(tenant: KnownTenant | undefined, domain: string | undefined): string | undefined {
  const { endpoints, domains = [] } = tenant?.status ?? {};
  if (domain === undefined) return endpoints?.mcp;
  const found = domains.find((entry) => entry.domain === domain);
  if (found === undefined)
    throw new Failure('notFound', `The tenant has no domain ${domain}.`, {
      remedy: `It has: ${domains.map((entry) => entry.domain).join(', ') || 'none'}.`,
    });
  return found.mcp ?? `https://${domain}/mcp`;
}

function endpoint(text: string): string {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '')
    throw new Failure(
      'usage',
      `${text.replace(/\/\/[^/]*@/, '//')} is no URL of an MCP endpoint, such as https://mcp.example.com/t/acme/mcp.`,
    );
  return url.href;
}

interface Opened {
  readonly cluster: Cluster | undefined;
  /** Kubeconfig that kubectl needs as `--kubeconfig` for the same cluster. */
  readonly named: string | undefined;
  readonly because: string;
}

/** Order of precedence: `--kubeconfig`, KUBECONFIG, local mode, ~/.kube/config, the ServiceAccount of the pod. */
async function openCluster(invocation: Invocation, { kubeconfig, useCluster }: Subject): Promise<Opened> {
  const { env, signal } = invocation.terminal;
  if (!useCluster) return { cluster: undefined, named: kubeconfig, because: '--no-cluster' };
  const local = kubeconfigOfLocalMode(invocation);
  const home = join(env['HOME'] ?? homedir(), '.kube', 'config');
  // KUBECONFIG may be a list of files. Only the first existing file is used.
  const named = env['KUBECONFIG']?.split(':').find((path) => path !== '' && existsSync(path));
  const own = local !== undefined && 'path' in local ? local.path : undefined;
  const path = kubeconfig ?? named ?? own ?? (existsSync(home) ? home : undefined);
  const told = kubeconfig ?? (named === undefined ? own : undefined);
  if (path === undefined && env['KUBERNETES_SERVICE_HOST'] === undefined)
    return {
      cluster: undefined,
      named: told,
      because: local !== undefined && 'because' in local ? local.because : 'no kubeconfig was found (--kubeconfig, KUBECONFIG)',
    };
  let cluster: Cluster | undefined;
  try {
    cluster = Cluster.open(path, signal);
    if (await cluster.serves()) return { cluster, named: told, because: '' };
    await cluster.close();
    return { cluster: undefined, named: told, because: `${cluster.server} has no Tenantry` };
  } catch (error) {
    signal.throwIfAborted();
    await cluster?.close();
    const because =
      error instanceof Error && !(error instanceof KubeError)
        ? `the kubeconfig cannot be used: ${causeOf(error)}`
        : (error as Error).message;
    if (kubeconfig !== undefined && cluster === undefined) throw new Failure('usage', `${kubeconfig}: ${because}`);
    return { cluster: undefined, named: told, because };
  }
}

/** Log folder of local mode's operator and control plane. */
function logsOfLocalMode(invocation: Invocation): string | undefined {
  const { found } = invocation.localMode();
  return found && join(found.folder, 'logs');
}

/** The kubeconfig of local mode, if its control plane is the selected one. */
function kubeconfigOfLocalMode(invocation: Invocation): LocalKubeconfig | undefined {
  const { found } = invocation.localMode();
  if (found === undefined || invocation.connection()?.url !== baseUrl(found.adminUrl, 'local.json')) return undefined;
  return localKubeconfig(found, invocation.terminal.uid);
}
