import { describe, expect, test } from 'vitest';
import type { ApiReport } from '../../../../crds/api-report.ts';
import type { Tenant } from '../../../../crds/tenant.ts';
import type { SecretsState } from '../../../../operator/secrets/ensure-secrets.ts';
import type { Context } from '../../../../operator/tenant/context.ts';
import type { Findings } from '../../../../operator/tenant/status.ts';
import { currentVerification } from '../../../../operator/tenant/verification.ts';
import { condition, settingsWith, tenant } from '../../gen.ts';
import { endpoint, endpoints, issuer, json } from './endpoint.ts';

const authorized = { conditions: [condition('AuthorizationReady', 'True')] };
const server = { name: 's', version: '1', protocolVersions: [], tools: 1 };
const complete: Findings = { endpoints, workload: { available: true, settled: true }, migration: 'succeeded' };

/** An operator with a clock that is moved by hand. `random` is constant. */
function operator(random = 0) {
  const clock = { ms: Date.parse('2026-01-01T00:00:00Z') };
  const requests: string[] = [];
  const answers: Record<string, () => Response> = {};
  const report: { current: ApiReport | undefined } = { current: undefined };
  const pods: object[] = [];
  const context = {
    memory: { verified: new Map(), verifying: new Set() },
    children: { podsOf: () => pods },
    podReports: { read: async () => report.current },
    settings: settingsWith({ TENANTRY_OAUTH_ISSUER: issuer, TENANTRY_WORKERS: '4' }),
    now: () => new Date(clock.ms),
    random: () => random,
    log: { info: () => {} },
    publicFetch: endpoint(answers, requests),
  } as unknown as Context;
  const pass = (owner: Tenant = tenant({}, authorized), found: Findings = complete, applied = 'applied', probeKey = 'key') =>
    currentVerification(owner, found, applied, { probeKey } as SecretsState, context, new AbortController().signal);
  return { clock, requests, answers, report, pods, context, pass };
}

const broken = (): Response => json({}, 503);

describe('a tenant is not verified', () => {
  test.each<[string, Tenant, Findings]>([
    ['while it is suspended', tenant({ suspended: true }, authorized), complete],
    ['without endpoints', tenant({}, authorized), { workload: { available: true, settled: true }, migration: 'succeeded' }],
    ['before its pods are settled', tenant({}, authorized), { ...complete, workload: { available: true, settled: false } }],
    ['while its migration runs', tenant({}, authorized), { ...complete, migration: 'running' }],
    ['after its migration failed', tenant({}, authorized), { ...complete, migration: 'failed' }],
    ['before the control plane is ready', tenant(), complete],
  ])('%s', async (_name, owner, found) => {
    const { pass, requests } = operator();
    expect(await pass(owner, found)).toEqual({ requeueAfterMs: undefined });
    expect(requests).toEqual([]);
  });
});

describe('a tenant is verified', () => {
  test.each<[string, Tenant, Findings]>([
    ['without a migration', tenant({}, authorized), { ...complete, migration: 'none' }],
    ['once it has served, also without the control plane', tenant({}, { server }), complete],
  ])('%s', async (_name, owner, found) => {
    expect(await operator().pass(owner, found)).toMatchObject({ verification: { state: 'succeeded' } });
  });

  test.each([
    [0, 54],
    [0.5, 60],
  ])('about once an hour: with the random number %d after %i minutes', async (random, minutes) => {
    const { pass, requests, clock } = operator(random);
    expect((await pass()).requeueAfterMs).toBe(minutes * 60_000);
    requests.length = 0;
    clock.ms += minutes * 60_000 - 1;
    expect(await pass()).toMatchObject({ verification: { state: 'succeeded' }, requeueAfterMs: 1 });
    expect(requests).toEqual([]);
    clock.ms += 1;
    await pass();
    expect(requests).not.toEqual([]);
  });

  test('at once after a change of its pods, its probe key or its endpoints', async () => {
    const { pass, requests } = operator();
    await pass();
    for (const changed of [
      () => pass(undefined, undefined, 'other'),
      () => pass(undefined, undefined, undefined, 'other'),
      () => pass(undefined, { ...complete, endpoints: { ...endpoints, api: 'https://mcp.example/t/acme/api' } }),
    ]) {
      requests.length = 0;
      await changed();
      expect(requests).not.toEqual([]);
    }
  });

  test('less and less often while it fails, and soon again after a change', async () => {
    const { pass, answers, clock } = operator();
    answers['metadata'] = broken;
    const pauses: unknown[] = [];
    for (let i = 0; i < 9; i++) {
      const { verification, requeueAfterMs } = await pass();
      expect(verification?.state).toBe('failed');
      pauses.push(requeueAfterMs);
      clock.ms += requeueAfterMs ?? 0;
    }
    expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect((await pass(undefined, undefined, 'other')).requeueAfterMs).toBe(250);
    delete answers['metadata'];
    clock.ms += 250;
    expect(await pass(undefined, undefined, 'other')).toMatchObject({ verification: { state: 'succeeded' } });
    answers['metadata'] = broken;
    clock.ms += 60 * 60_000;
    expect((await pass(undefined, undefined, 'other')).requeueAfterMs).toBe(250);
  });

  test("with the report of its sidecar's operations", async () => {
    const { pass, pods, report } = operator();
    pods.push({
      metadata: { name: 'p', labels: { 'app.kubernetes.io/component': 'stack' } },
      status: { containerStatuses: [{ name: 'mcp', ready: true }] },
    });
    report.current = { document: { operations: 3, leftOut: { count: 0, first: [] }, unmatched: [] } };
    expect(await pass()).toMatchObject({ verification: { server: { tools: 1, operations: 3 } } });
  });
});

describe('with half of the workers verifying', () => {
  test('a tenant that serves waits, with its last verification if that still holds', async () => {
    const { pass, context, clock, requests } = operator(1);
    const serving = tenant({}, { ...authorized, server });
    const first = await pass(serving);
    context.memory.verifying.add('b').add('c');
    clock.ms += 2 * 60 * 60_000;
    requests.length = 0;
    expect(await pass(serving)).toEqual({ verification: first.verification, requeueAfterMs: 15_000 });
    expect(await pass(serving, complete, 'other')).toEqual({ requeueAfterMs: 15_000 });
    expect(requests).toEqual([]);
    context.memory.verifying.delete('b');
    expect((await pass(serving)).verification?.state).toBe('succeeded');
  });
});
