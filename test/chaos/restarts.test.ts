import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adminApiClient, dataOf } from '../../control-plane/client/client.ts';
import { type ConditionType, isTrue } from '../../crds/conditions.ts';
import { namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { isReady, untilTenant } from '../../kube/until-tenant.ts';
import { type Demo, seed } from '../../local/demo.ts';
import { leftovers } from '../../local/leftovers.ts';
import { connectWithToken } from '../../local/sign-in.ts';
import { type Stack, standing, startStack } from '../../local/stack.ts';
import { childKinds } from '../../operator/objects/kinds.ts';
import { LogWatch } from '../log-watch.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-chaos-'));
/** For what never comes: what was killed often is started again after pauses of up to 30 s, on a machine that may be busy. */
const patienceMs = 240_000;
let stack: Stack;
let demo: Demo;
let watch: LogWatch;

beforeAll(async () => {
  const log = pino({ level: process.env['LOG_LEVEL'] ?? 'fatal' }, pino.destination(2));
  stack = await startStack({ dir, log, identity: undefined, fsync: false });
  demo = await seed(standing(stack.workos));
  const passwords = [new URL(stack.postgres.url).password, readFileSync(join(dir, 'store-password'), 'utf8').trim()];
  watch = new LogWatch(dir, 'node', stack.client, new Map(passwords.map((password) => [password, 'a password of PostgreSQL'])));
});

afterAll(async () => {
  await stack?.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** Processes whose command line has `words` and belongs to this test's stack. */
function pidsOf(...words: string[]): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
        return (command.includes(dir) || environment.includes(dir)) && words.every((word) => command.includes(word));
      } catch {
        // It ended while it was looked at.
        return false;
      }
    })
    .map(Number);
}

/** Kills what matches, once it runs: it may be between two lives. */
async function kill(...words: string[]): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const pids = pidsOf(...words);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    if (pids.length > 0) return;
    if (Date.now() > deadline) throw new Error(`no process matches ${words.join(' ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function create(name: string): Promise<void> {
  const admin = adminApiClient({ baseUrl: stack.adminUrl, token: () => demo.adminToken });
  const { acme: organizationId = '' } = demo.organizationIds;
  dataOf(
    await admin.POST('/admin/tenants', { body: { name, organizationId, template: { name: 'toolbridge' }, deletionPolicy: 'delete' } }),
  );
}

/** Waits for Ready and calls `strike` once at each of `moments`, as soon as that condition is true. */
async function untilReadyWhile(
  name: string,
  moments: readonly ConditionType[],
  strike: (moment: string) => Promise<void> | undefined,
): Promise<Tenant> {
  const pending = new Set<ConditionType>(moments);
  const strikes: (Promise<void> | undefined)[] = [];
  const tenant = await untilTenant(stack.client, name, isReady, {
    timeoutMs: patienceMs,
    onChange: (current) => {
      for (const moment of pending) {
        if (!isTrue(current?.status?.conditions, moment)) continue;
        pending.delete(moment);
        strikes.push(strike(moment));
      }
    },
  });
  if (!tenant) throw new Error(`tenant ${name} is gone`);
  await Promise.all(strikes);
  expect([...pending]).toEqual([]);
  return tenant;
}

async function works(tenant: Tenant): Promise<void> {
  const secret = await stack.client.get<KubeObject & { data: { apiKey: string } }>(kinds.Secret, 'tenantry-credentials', {
    namespace: namespaceOf(tenant.metadata.name),
  });
  const client = await connectWithToken(tenant.status?.endpoints?.mcp ?? '', Buffer.from(secret.data.apiKey, 'base64').toString());
  const created = await client.callTool({ name: 'create_note', arguments: { title: 'after the storm' } });
  expect(created.isError ?? false).toBe(false);
  await client.close();
}

async function removeWhile(tenant: Tenant, strike: () => Promise<void>): Promise<void> {
  await stack.client.delete(kinds.Tenant, tenant.metadata.name);
  await strike();
  await untilTenant(stack.client, tenant.metadata.name, (current) => current === undefined, { timeoutMs: patienceMs });
  expect(await leftovers(stack, tenant)).toEqual([]);
}

/** Writes and passes of the operator since it started. One that is refused, because the control plane's finalizer came first, writes nothing. */
async function counts(): Promise<{ writes: number; passes: number }> {
  const text = await (await fetch(`${stack.operatorUrl}/metrics`)).text();
  const sum = (pattern: RegExp): number => [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
  return {
    writes: sum(/^rest_client_requests_total\{method="(?:POST|PUT|PATCH|DELETE)",code="2\d\d"\} (\d+)/gm),
    passes: sum(/^controller_runtime_reconcile_total\{controller="tenant",[^}]*\} (\d+)/gm),
  };
}

describe('writes of the operator', () => {
  let tenant: Tenant;

  test('write each child once, and at most four times more, until Ready', async () => {
    const before = await counts();
    await create('writes');
    tenant = await untilReadyWhile('writes', [], () => undefined);
    const { writes } = await counts();
    const namespace = namespaceOf('writes');
    const own = await Promise.all(
      [...childKinds.filter((kind) => kind.namespaced), kinds.Ingress, kinds.Secret].map((kind) =>
        stack.client.list(kind, { namespace, labelSelector: 'app.kubernetes.io/managed-by=tenantry' }),
      ),
    );
    const children = 1 + own.reduce((total, { items }) => total + items.length, 0);
    const { items: events } = await stack.client.list(kinds.Event, { namespace: 'default', fieldSelector: 'involvedObject.name=writes' });
    expect(children).toBeGreaterThan(10);
    expect(writes - before.writes - events.length).toBeLessThanOrEqual(children + 4);
  });

  test('write nothing when nothing changed, also after a restart', async () => {
    const before = await counts();
    await stack.client.patch(kinds.Tenant, 'writes', { metadata: { annotations: { 'example.com/note': 'touched' } } });
    await stack.client.patch(
      kinds.Service,
      'stack',
      { metadata: { annotations: { 'example.com/note': 'touched' } } },
      { namespace: namespaceOf('writes') },
    );
    await passed(before.passes + 2);
    expect((await counts()).writes).toBe(before.writes);
    await kill('operator/main.ts');
    await passed(1);
    expect((await counts()).writes).toBe(0);
    await removeWhile(tenant, async () => {});
  });

  async function passed(passes: number): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while ((await counts().catch(() => ({ passes: -1 }))).passes < passes) {
      if (Date.now() > deadline) throw new Error(`the operator did not make ${passes} passes`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
});

describe.each([
  ['the operator', ['operator/main.ts']],
  ['the control plane', ['control-plane/main.ts']],
])('%s, killed at every stage', (_name, words) => {
  const name = `chaos-${words[0]?.startsWith('operator') ? 'op' : 'cp'}`;

  test('still creates, serves and deletes a tenant completely', async () => {
    await create(name);
    const tenant = await untilReadyWhile(name, ['SecretsReady', 'AuthorizationReady', 'DatabaseReady', 'WorkloadAvailable'], () =>
      kill(...words),
    );
    await works(tenant);
    await removeWhile(tenant, () => kill(...words));
  });
});

test('a tenant is created and deleted although PostgreSQL is killed', async () => {
  await create('chaos-world');
  const tenant = await untilReadyWhile('chaos-world', ['SecretsReady', 'AuthorizationReady'], () => kill('postgres', '-D'));
  await works(tenant);
  await removeWhile(tenant, () => kill('postgres', '-D'));
});

test('a tenant is created and deleted although Kubernetes is killed', async () => {
  // The controllers too, as when their machine restarts: what they wait after a refused watch grows to a minute.
  const strike = async (...words: string[]): Promise<void> => {
    await kill(...words);
    await kill('kube-controller-manager');
  };
  await create('chaos-kubernetes');
  const tenant = await untilReadyWhile('chaos-kubernetes', ['SecretsReady', 'DatabaseReady'], (moment) =>
    moment === 'SecretsReady' ? strike('kube-apiserver') : strike('etcd', '--data-dir'),
  );
  await works(tenant);
  await removeWhile(tenant, () => strike('kube-apiserver'));
});

test('a tenant deleted during its creation leaves nothing', async () => {
  await create('chaos-early');
  const tenant = await untilTenant(stack.client, 'chaos-early', (current) => isTrue(current?.status?.conditions, 'SecretsReady'), {
    timeoutMs: patienceMs,
  });
  if (!tenant) throw new Error('the tenant is gone');
  await removeWhile(tenant, async () => {});
});

// Late, because the supervisor starts what ends often after longer and longer pauses.
test('a rotation ends without a failed request although the operator is killed', {
  timeout: 900_000,
}, async () => {
  const name = 'chaos-rotation';
  await create(name);
  const tenant = await untilReadyWhile(name, [], () => undefined);
  const namespace = namespaceOf(name);
  type SecretObject = KubeObject & { data: Record<string, string> };
  const secret = async (wanted: string): Promise<Record<string, string>> =>
    (await stack.client.get<SecretObject>(kinds.Secret, wanted, { namespace })).data;
  const apiKey = Buffer.from((await secret('tenantry-credentials'))['apiKey'] ?? '', 'base64').toString();
  const { username } = await secret('tenantry-database');
  const { generation } = (await stack.client.get(kinds.Deployment, 'stack', { namespace })).metadata;
  const reached = async (look: () => Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + patienceMs;
    while (!(await look())) {
      if (Date.now() > deadline) throw new Error('the rotation does not get on');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await kill('operator/main.ts');
  };
  const stop = new AbortController();
  const statuses = (async () => {
    const seen: number[] = [];
    while (!stop.signal.aborted) {
      const response = await fetch(`${tenant.status?.endpoints?.api}/v1/notes`, { headers: { authorization: `Bearer ${apiKey}` } });
      await response.arrayBuffer();
      seen.push(response.status);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return seen;
  })();
  const request = new Date().toISOString();
  await stack.client.patch(kinds.Tenant, name, { metadata: { annotations: { 'tenantry.dev/rotate': request } } });
  await kill('operator/main.ts');
  await reached(async () => 'apiKey.next' in (await secret('tenantry-credentials')));
  await reached(async () => (await secret('tenantry-database'))['username'] !== username);
  await reached(async () => (await stack.client.get(kinds.Deployment, 'stack', { namespace })).metadata.generation !== generation);
  await reached(async () => !('apiKey.next' in (await secret('tenantry-credentials'))));
  await untilTenant(stack.client, name, (current) => current?.status?.secrets?.rotationRequest === request, { timeoutMs: patienceMs });
  stop.abort();
  expect(new Set(await statuses)).toEqual(new Set([200]));
  await works(tenant);
  await removeWhile(tenant, async () => {});
});

test('no log of a killed program has a secret', () => {
  expect(watch.end()).toEqual([]);
});

test('no process outlives the stack', async () => {
  await stack.stop();
  expect(pidsOf()).toEqual([]);
});
