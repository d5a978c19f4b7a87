/**
 * `npm start`: runs Tenantry on this machine, creates two tenants through the Admin API, and shows that they work.
 * Options:
 * `--workos` uses a real WorkOS environment in place of the stand-in; WORKOS_API_KEY and the related variables name it.
 * `--once` runs in a temporary folder, deletes the tenants and exits.
 * `--fresh` deletes the state of earlier starts.
 */
import { existsSync, mkdtempSync, statfsSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { type AdminApiClient, adminApiClient, dataOf } from '../control-plane/client/client.ts';
import { clientConfigurations } from '../control-plane/client/connections.ts';
import { shellWord } from '../control-plane/client/shell-word.ts';
import { isTrue } from '../crds/conditions.ts';
import { type KubeObject, kinds } from '../kube/resources.ts';
import { isReady, untilTenant } from '../kube/until-tenant.ts';
import { demoPassword, demoTenants, seed } from './demo.ts';
import { type Identity, identityOf, removeResource } from './identity.ts';
import { findBinaries } from './kubernetes/binaries.ts';
import { leftovers } from './leftovers.ts';
import { writePrivate } from './machine/files.ts';
import { isAt, rolledOut } from './rollout.ts';
import { descriptionFile, forget, type Stack, standing, startStack } from './stack.ts';
import { tour } from './tour.ts';
import { nextSteps, removeAgain, showWithoutSignIn, type TenantWithKey } from './with-workos.ts';

const say = (line = ''): void => console.log(line);
const began = Date.now();
const seconds = (): string => `${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s`;
const done = (line: string): void => say(`${seconds()}  ✓ ${line}`);

/** Clients whose requests come from their vendor's servers, not from this machine. */
const cannotReachLocalhost =
  'claude.ai on the web and on phones, ChatGPT connectors: they call from their vendors’ servers and need a public URL';
/** Shell command that sets KEY to the API key of the first tenant. It works in every folder. */
const keyFrom = (description: string): string =>
  `KEY=$(node -p 'JSON.parse(fs.readFileSync(process.argv[1])).tenants[0].apiKey' ${shellWord(description)})`;

/** State folders. A real environment has its own tenants, because the stand-in's organizations do not exist there. */
const stateFolders = { standIn: resolve('.tenantry'), workos: resolve('.tenantry-workos') } as const;
const readyTimeoutMs = 120_000;

function options(): { once: boolean; fresh: boolean; identity: Identity | undefined } {
  try {
    const option = { type: 'boolean', default: false } as const;
    const { values } = parseArgs({ options: { once: option, fresh: option, workos: option } });
    return { ...values, identity: values.workos ? identityOf(process.env) : undefined };
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: npm start [-- --once | --fresh] [--workos]`);
    process.exit(2);
  }
}

/** Reports the requirements that are met, and stops with a remedy when one is missing. */
function preflight(): void {
  if (process.platform !== 'linux')
    throw new Error('the local cluster runs on Linux only; on Windows use WSL2, on a Mac a Linux machine or container');
  const binaries = findBinaries();
  const { bavail, bsize } = statfsSync('.');
  const free = { disk: (bavail * bsize) / 2 ** 30, memory: freemem() / 2 ** 30 };
  if (free.disk < 0.5) throw new Error(`only ${free.disk.toFixed(1)} GiB of disk are free; the local cluster wants half a GiB`);
  done(
    `Node ${process.version}, ${free.memory.toFixed(1)} GiB memory and ${free.disk.toFixed(0)} GiB disk free, Kubernetes binaries in ${resolve(binaries.apiServer, '..')}`,
  );
}

/** Creates a tenant through the Admin API, unless an earlier start has, and shows its conditions until it is Ready. */
async function make(
  stack: Stack,
  admin: AdminApiClient,
  demo: (typeof demoTenants)[number],
  organizationId: string | undefined,
  signal: AbortSignal,
): Promise<TenantWithKey> {
  const body = {
    name: demo.name,
    displayName: demo.displayName,
    ...(organizationId === undefined ? {} : { organizationId }),
    template: { name: 'toolbridge' },
    deletionPolicy: 'delete' as const,
  };
  const answer = await admin.POST('/admin/tenants', { body });
  const { status } = answer.response;
  if (status !== 409) dataOf(answer);
  done(
    `POST /admin/tenants {"name":"${demo.name}", ...} answered ${status === 201 ? '201 Created' : '409: it is there from an earlier start'}`,
  );
  const tenant = await untilTenant(stack.client, demo.name, (current) => isReady(current) && isAt(current, stack.routerUrl), {
    timeoutMs: readyTimeoutMs,
    signal,
    onChange: (current, previous) => {
      const after = current?.status?.conditions ?? [];
      for (const { type, message } of after) {
        if (['Reconciling', 'Stalled', 'Ready'].includes(type)) continue;
        if (isTrue(after, type as 'Verified') && !isTrue(previous?.status?.conditions, type as 'Verified')) {
          say(`${seconds()}    ${demo.name.padEnd(8)}${type.padEnd(20)}${message}`);
        }
      }
    },
  });
  if (!tenant) throw new Error(`tenant ${demo.name} is gone`);
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(readyTimeoutMs)]);
  await rolledOut(stack.client, demo.name, { routerUrl: stack.routerUrl, issuer: stack.identity.issuer }, inTime);
  done(`${demo.name} is Ready: ${tenant.status?.endpoints?.mcp}`);
  const secret = await stack.client.get<KubeObject & { data: { apiKey: string } }>(kinds.Secret, 'tenantry-credentials', {
    namespace: `tenant-${demo.name}`,
  });
  return { tenant, apiKey: Buffer.from(secret.data.apiKey, 'base64').toString('utf8') };
}

/** Deletes the tenants through the Admin API, and proves that nothing is left. */
async function unmake(stack: Stack, admin: AdminApiClient, made: readonly TenantWithKey[], signal: AbortSignal): Promise<void> {
  for (const { tenant } of made)
    dataOf(await admin.DELETE('/admin/tenants/{name}', { params: { path: { name: tenant.metadata.name }, query: { data: 'delete' } } }));
  for (const { tenant } of made) {
    await untilTenant(stack.client, tenant.metadata.name, (current) => current === undefined, { timeoutMs: readyTimeoutMs, signal });
    const left = await leftovers(stack, tenant);
    if (left.length > 0) throw new Error(`tenant ${tenant.metadata.name} was deleted but there is still: ${left.join(', ')}`);
    done(`${tenant.metadata.name} is deleted: no pod, namespace, database, role or OAuth resource is left`);
  }
}

function explain(stack: Stack, made: readonly TenantWithKey[]): void {
  say('\nConnect an LLM client (sign in as the account below; the sign-in page opens by itself):');
  made.forEach(({ tenant }, index) => {
    const { name } = tenant.metadata;
    const account = demoTenants[index];
    const mcpUrl = tenant.status?.endpoints?.mcp ?? '';
    say(`\n  ${name}: ${mcpUrl}   (${account?.email}, password ${demoPassword})`);
    if (index > 0) return;
    for (const { client, where, text } of clientConfigurations({
      name,
      mcpUrl,
      auth: 'oauth',
      setKey: keyFrom(descriptionFile(stateFolders.standIn)),
    })) {
      say(`\n  ${client} (${where}):\n${text.replace(/^/gm, '    ')}`);
    }
  });
  say(`\n  Not from this machine's localhost: ${cannotReachLocalhost}.`);
  say('\nLook at the cluster:');
  say(`    export KUBECONFIG=${shellWord(stack.kubernetes.kubeconfigs.admin)}; kubectl get tn`);
  const onPath = (process.env['PATH'] ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, 'kubectl')));
  if (!onPath) say(`    export PATH=${shellWord(dirname(findBinaries().kubectl))}:"$PATH"   # kubectl comes with it`);
  say('\nNow your API: any HTTP API with an OpenAPI document becomes an MCP server; see docs/guides/your-own-api.md');
  say(`\nFor scripts: ${descriptionFile(stateFolders.standIn)}    Logs: ${stack.logs}`);
}

/** Shows two tenants of the stand-in's organizations. @returns the description for scripts, and a function that deletes the tenants. */
async function showDemo(stack: Stack, signal: AbortSignal): Promise<Show> {
  const demo = await seed(standing(stack.workos));
  const admin = adminApiClient({ baseUrl: stack.adminUrl, token: () => demo.adminToken });
  const made = await Promise.all(demoTenants.map((tenant) => make(stack, admin, tenant, demo.organizationIds[tenant.name], signal)));
  const steps = demoTenants.map((tenant, index) => ({ demo: tenant, tenant: (made[index] as TenantWithKey).tenant }));
  const [first, second] = steps;
  if (!first || !second) throw new Error('local mode shows two tenants');
  const shown = await tour(first, second, (step, outcome) => done(`${step}: ${outcome}`));
  return {
    forScripts: {
      adminToken: demo.adminToken,
      tenants: made.map((one, index) => ({ ...described(one), accessToken: shown[index]?.accessToken })),
    },
    explain: () => explain(stack, made),
    unmake: () => unmake(stack, admin, made, signal),
  };
}

/** Shows the parts of a real environment that need no signed-in user. */
async function showWorkos(stack: Stack, signal: AbortSignal): Promise<Show> {
  const made = await showWithoutSignIn(stack, done, signal);
  return {
    forScripts: { tenants: [described(made)] },
    explain: () => {
      say();
      for (const line of nextSteps(stack)) say(line);
      say(`\nFor scripts: ${descriptionFile(stateFolders.workos)}    Logs: ${stack.logs}`);
    },
    unmake: () => removeAgain(stack, made, done, signal),
  };
}

interface Show {
  readonly forScripts: object;
  explain(): void;
  unmake(): Promise<void>;
}

function described({ tenant, apiKey }: TenantWithKey): object {
  const { endpoints } = tenant.status ?? {};
  return { name: tenant.metadata.name, mcpUrl: endpoints?.mcp, apiUrl: endpoints?.api, apiKey };
}

/** Returns the process's exit code. */
async function main(signal: AbortSignal): Promise<number> {
  const { once, fresh, identity } = options();
  preflight();
  const dir = once ? mkdtempSync(join(tmpdir(), 'tenantry-once-')) : identity === undefined ? stateFolders.standIn : stateFolders.workos;
  if (fresh && !once) await forget(dir);
  const log = pino({ name: 'local', level: process.env['LOG_LEVEL'] ?? 'error' }, pino.destination(2));
  let stack: Stack | undefined;
  try {
    stack = await startStack({
      dir,
      log,
      signal,
      identity,
      fsync: !once,
      onPart: (part) => say(`${seconds()}    starting ${part}`),
      onMoved: (notice) => say(`${seconds()}    ${notice}`),
    });
    done(`Admin API at ${stack.adminUrl}, tenants at ${stack.routerUrl}/t/<tenant>/mcp`);
    const show = await (identity === undefined ? showDemo(stack, signal) : showWorkos(stack, signal));
    const { kubeconfigs } = stack.kubernetes;
    writePrivate(
      descriptionFile(dir),
      JSON.stringify({ kubeconfig: kubeconfigs.admin, adminUrl: stack.adminUrl, ...show.forScripts }, null, 2),
    );
    if (once) await show.unmake();
    else {
      show.explain();
      say('\nRunning. Ctrl-C stops it; data, addresses and accounts are kept for the next start.');
      await new Promise<void>((end) => signal.addEventListener('abort', () => end(), { once: true }));
    }
  } catch (error) {
    if (!signal.aborted) {
      say(`\n${seconds()}  ✗ ${(error as Error).message}`);
      if (stack) say(`         The logs are in ${stack.logs}.`);
      return 1;
    }
  } finally {
    if (signal.aborted) say('\nStopping ...');
    await stack?.stop();
    // The resource is the control plane's own URL, which no longer answers. The stand-in has ended with the stack.
    if (once && identity !== undefined && stack !== undefined) await removeResource(identity, stack.adminUrl);
    if (once) await forget(dir);
  }
  if (once && !signal.aborted) done('everything has stopped and its folder is removed');
  return once && signal.aborted ? 130 : 0;
}

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (!interrupted.signal.aborted) interrupted.abort(new Error(name));
  });
}
process.exitCode = await main(interrupted.signal).catch((error: unknown) => {
  console.error(`✗ ${(error as Error).message}`);
  return 1;
});
