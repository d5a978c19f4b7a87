import { afterEach, expect, test } from 'vitest';
import type { Tenant } from '../../../../crds/tenant.ts';
import type { SecretsState } from '../../../../operator/secrets/ensure-secrets.ts';
import type { Context } from '../../../../operator/tenant/context.ts';
import type { Findings } from '../../../../operator/tenant/status.ts';
import { currentVerification } from '../../../../operator/tenant/verification.ts';
import { condition, settingsWith, tenant } from '../../gen.ts';

const stop = new AbortController();
const begun: Promise<unknown>[] = [];
let asked = 0;

/** A gateway that takes connections and never answers. */
const hangs = ((_url: string, { signal }: { signal: AbortSignal }) => {
  asked++;
  return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }));
}) as unknown as typeof globalThis.fetch;

const context = {
  memory: { verified: new Map(), verifying: new Set() },
  children: { podsOf: () => [] },
  settings: settingsWith({ TENANTRY_WORKERS: '4' }),
  now: () => new Date('2026-01-01T00:00:00Z'),
  random: () => 0.5,
  log: { info: () => {} },
  publicFetch: hangs,
} as unknown as Context;

const found: Findings = {
  endpoints: {
    mcp: 'https://mcp.example.com/t/acme/mcp',
    metadata: 'https://mcp.example.com/.well-known/oauth-protected-resource/t/acme/mcp',
  },
  workload: { available: true, settled: true },
  migration: 'succeeded',
};
const authorized = { conditions: [condition('AuthorizationReady', 'True')] };
const served = { ...authorized, server: { name: 's', version: '1', protocolVersions: [], tools: 1 } };

function named(uid: string, status: object): Tenant {
  const made = tenant({}, status);
  return { ...made, metadata: { ...made.metadata, uid } };
}

function verifyOf(owner: Tenant): ReturnType<typeof currentVerification> {
  const pass = currentVerification(owner, found, 'applied', { probeKey: 'k' } as SecretsState, context, stop.signal);
  pass.catch(() => {});
  begun.push(pass);
  return pass;
}

afterEach(async () => {
  stop.abort(new Error('the operator ends'));
  await Promise.allSettled(begun);
});

test('a gateway that hangs holds half of the workers at most, and no tenant that is new waits for those that serve', async () => {
  for (const uid of ['a', 'b']) void verifyOf(named(uid, served));
  expect(asked).toBe(2);
  // Those that serve come back later, without having asked; what was known of them stays.
  expect(await verifyOf(named('c', served))).toEqual({ requeueAfterMs: 10_000 });
  expect(asked).toBe(2);
  void verifyOf(named('d', authorized));
  expect(asked).toBe(3);
  stop.abort(new Error('the operator ends'));
  await Promise.allSettled(begun);
  expect(context.memory.verifying.size).toBe(0);
});
