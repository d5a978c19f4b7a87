import { describe, expect, test } from 'vitest';
import { plan, statusToWrite } from '../../control-plane/authorization/plan.ts';
import { finalizers } from '../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../crds/tenant.ts';

const mcp = 'https://mcp.example/t/acme/mcp';
const api = 'https://mcp.example/t/acme/api';
const metadata = 'https://mcp.example/.well-known/oauth-protected-resource/t/acme/mcp';

function tenant(change: { organizationId?: string; status?: TenantStatus; finalizers?: string[]; deleted?: boolean } = {}): Tenant {
  return {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'Tenant',
    metadata: {
      name: 'acme',
      uid: 'uid-1',
      generation: 3,
      finalizers: change.finalizers ?? [finalizers.operator, finalizers.authorization],
      ...(change.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: {
      template: { name: 'toolbridge' },
      deletionPolicy: 'retain',
      ...(change.organizationId === undefined ? {} : { organizationId: change.organizationId }),
    },
    ...(change.status === undefined ? {} : { status: change.status }),
  };
}

describe('what comes next', () => {
  test('without an organization nothing is registered', () => {
    expect(plan(tenant())).toEqual({ kind: 'unauthorized' });
  });

  test('the finalizer goes on before anything is registered', () => {
    expect(plan(tenant({ organizationId: 'org_1', finalizers: [] }))).toEqual({ kind: 'claim' });
  });

  test('without URLs it waits for the operator', () => {
    expect(plan(tenant({ organizationId: 'org_1' }))).toEqual({ kind: 'wait' });
  });

  test('every published URL is registered', () => {
    const next = plan(tenant({ organizationId: 'org_1', status: { endpoints: { mcp, api, metadata } } }));
    expect(next).toEqual({ kind: 'register', organizationId: 'org_1', keep: [], missing: [mcp, api], stale: [] });
  });

  test('what is recorded stays, what is no longer published goes', () => {
    const resources = [
      { url: mcp, id: 'r1' },
      { url: 'https://old.example/mcp', id: 'r2' },
    ];
    const next = plan(tenant({ organizationId: 'org_1', status: { endpoints: { mcp, metadata }, authorization: { resources } } }));
    expect(next).toMatchObject({ keep: [resources[0]], missing: [], stale: [resources[1]] });
  });

  test('a recorded registration that is lost is made anew', () => {
    const resources = [{ url: mcp, id: 'r1' }];
    const of = tenant({ organizationId: 'org_1', status: { endpoints: { mcp, metadata }, authorization: { resources } } });
    expect(plan(of, new Set(['r1']))).toMatchObject({ keep: [], missing: [mcp], stale: [] });
  });

  test('a deleted tenant is released once', () => {
    expect(plan(tenant({ deleted: true }))).toEqual({ kind: 'release' });
    expect(plan(tenant({ deleted: true, finalizers: [finalizers.operator] }))).toEqual({ kind: 'wait' });
  });
});

describe('the status to write', () => {
  const verdict = { type: 'AuthorizationReady', status: 'True', reason: 'Registered', message: 'ok' } as const;
  const resources = [{ url: mcp, id: 'r1' }];
  const at = (time: string) => () => new Date(time);

  test('is written once and then not again', () => {
    const first = statusToWrite(tenant(), verdict, resources, at('2026-01-01T00:00:00Z'));
    expect(first?.condition).toEqual({ ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' });
    const written = tenant({ status: { conditions: [first?.condition ?? expect.unreachable()], authorization: { resources } } });
    expect(statusToWrite(written, verdict, resources, at('2026-06-01T00:00:00Z'))).toBeUndefined();
  });

  test('keeps the time of an unchanged status when only the message changes', () => {
    const condition = { ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' };
    const shown = tenant({ status: { conditions: [condition], authorization: { resources } } });
    const next = statusToWrite(shown, { ...verdict, message: 'other' }, resources, at('2026-06-01T00:00:00Z'));
    expect(next?.condition.lastTransitionTime).toBe('2026-01-01T00:00:00Z');
  });

  test('is written when only a registration changed', () => {
    const condition = { ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' };
    const shown = tenant({ status: { conditions: [condition], authorization: { resources } } });
    expect(statusToWrite(shown, verdict, [{ url: mcp, id: 'r9' }], at('2026-06-01T00:00:00Z'))).toBeDefined();
  });
});
