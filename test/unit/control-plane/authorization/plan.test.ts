import { describe, expect, test } from 'vitest';
import { plan, statusToWrite, urlsOf } from '../../../../control-plane/authorization/plan.ts';
import { unclaimed } from '../../../../control-plane/authorization/unclaimed.ts';
import { finalizers } from '../../../../crds/names.ts';
import type { Tenant, TenantStatus } from '../../../../crds/tenant.ts';

const mcp = 'https://mcp.example/t/acme/mcp';
const api = 'https://mcp.example/t/acme/api';
const metadata = 'https://mcp.example/.well-known/oauth-protected-resource/t/acme/mcp';

function tenant(
  change: {
    organizationId?: string;
    organization?: Tenant['spec']['organization'];
    status?: TenantStatus;
    finalizers?: string[];
    deleted?: boolean;
  } = {},
): Tenant {
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
      ...(change.organization === undefined ? {} : { organization: change.organization }),
    },
    ...(change.status === undefined ? {} : { status: change.status }),
  };
}

describe('the next step', () => {
  test('registers nothing without an organization', () => {
    expect(plan(tenant())).toEqual({ kind: 'unauthorized' });
  });

  test('sets the finalizer before it registers', () => {
    expect(plan(tenant({ organizationId: 'org_1', finalizers: [] }))).toEqual({ kind: 'claim' });
  });

  test('waits for the operator without URLs', () => {
    expect(plan(tenant({ organizationId: 'org_1' }))).toEqual({ kind: 'wait' });
  });

  test('registers every published URL', () => {
    const next = plan(tenant({ organizationId: 'org_1', status: { endpoints: { mcp, api, metadata } } }));
    expect(next).toEqual({ kind: 'register', organizationId: 'org_1', keep: [], missing: [mcp, api], stale: [], invite: undefined });
  });

  test('keeps recorded URLs and removes unpublished ones', () => {
    const resources = [
      { url: mcp, id: 'r1' },
      { url: 'https://old.example/mcp', id: 'r2' },
    ];
    const next = plan(tenant({ organizationId: 'org_1', status: { endpoints: { mcp, metadata }, authorization: { resources } } }));
    expect(next).toMatchObject({ keep: [resources[0]], missing: [], stale: [resources[1]] });
  });

  test('repeats a lost registration', () => {
    const resources = [{ url: mcp, id: 'r1' }];
    const of = tenant({ organizationId: 'org_1', status: { endpoints: { mcp, metadata }, authorization: { resources } } });
    expect(plan(of, new Set(['r1']))).toMatchObject({ keep: [], missing: [mcp], stale: [] });
  });

  test('releases a deleted tenant once', () => {
    expect(plan(tenant({ deleted: true }))).toEqual({ kind: 'release' });
    expect(plan(tenant({ deleted: true, finalizers: [finalizers.operator] }))).toEqual({ kind: 'wait' });
  });
});

describe('an organization to create', () => {
  const externalId = '0b0f2a52-8a5e-4a40-9a53-3c1c9f6f6a10';
  const organization = { name: 'Acme', externalId, admin: { email: 'ada@acme.example' } };
  const endpoints = { mcp, metadata };

  test('is created once the finalizer is set', () => {
    expect(plan(tenant({ organization, finalizers: [] }))).toEqual({ kind: 'claim' });
    expect(plan(tenant({ organization }))).toEqual({ kind: 'organize', name: 'Acme', externalId });
  });

  test('gets its first administrator invited, once', () => {
    const made = { organization, organizationId: 'org_1' };
    expect(plan(tenant({ ...made, status: { endpoints } }))).toMatchObject({ invite: { email: 'ada@acme.example', externalId } });
    const authorization = { organization: { id: 'org_1', invitationId: 'invitation_1' } };
    expect(plan(tenant({ ...made, status: { endpoints, authorization } }))).toMatchObject({ kind: 'register', invite: undefined });
  });

  test('is written again when only the invitation is new', () => {
    const verdict = { type: 'AuthorizationReady', status: 'True', reason: 'Registered', message: 'ok' } as const;
    const conditions = [{ ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' }];
    const shown = tenant({ status: { conditions } });
    const recorded = { resources: [], organization: { id: 'org_1', invitationId: 'invitation_1' } };
    expect(statusToWrite(shown, verdict, recorded, () => new Date())?.organization).toEqual(recorded.organization);
  });
});

test('URLs of custom domains are registered once verified', () => {
  const record = { name: '_tenantry-challenge.x', type: 'TXT' as const, value: 'tenantry=x' };
  const domain = (host: string, state: 'Pending' | 'Verified' | 'Conflict') => ({
    domain: host,
    state,
    record,
    mcp: `https://${host}/mcp`,
    api: `https://${host}/api`,
    message: '',
  });
  const domains = [domain('a.example', 'Verified'), domain('b.example', 'Pending'), domain('c.example', 'Conflict')];
  expect(urlsOf(tenant({ status: { endpoints: { mcp, metadata }, domains } }))).toEqual([
    mcp,
    'https://a.example/mcp',
    'https://a.example/api',
  ]);
});

describe('registrations without a tenant', () => {
  const resource = (uri: string) => ({ id: `id of ${uri}`, uri });

  test.each<['path' | 'host', string, string, boolean]>([
    ['path', 'https://mcp.example', 'https://mcp.example/t/gone/mcp', true],
    ['path', 'https://mcp.example', 'https://mcp.example/t/gone/api', true],
    ['path', 'https://mcp.example/base', 'https://mcp.example/base/t/gone/mcp', true],
    ['path', 'https://mcp.example', 'https://mcp.example/t/acme/mcp', false],
    ['path', 'https://mcp.example', 'https://mcp.example/t/gone/other', false],
    ['path', 'https://mcp.example', 'https://mcp.example/t/a/b/mcp', false],
    ['path', 'https://mcp.example', 'https://mcp.example/mcp', false],
    ['path', 'https://mcp.example', 'https://mcp.example.evil/t/gone/mcp', false],
    ['path', 'https://mcp.example', 'http://mcp.example/t/gone/mcp', false],
    ['host', 'https://mcp.example', 'https://gone.mcp.example/mcp', true],
    ['host', 'https://mcp.example', 'https://mcp.example/mcp', false],
    ['host', 'https://mcp.example', 'https://gonemcp.example/mcp', false],
    ['host', 'https://mcp.example', 'https://mcp.customer.example/mcp', false],
  ])('in mode %s with base %s: %s is one: %s', (mode, baseUrl, uri, expected) => {
    const tenants = [tenant({ status: { endpoints: { mcp, metadata } } })];
    expect(unclaimed([resource(uri)], tenants, { baseUrl, mode })).toEqual(expected ? [resource(uri)] : []);
  });

  test('exclude recorded URLs that are no longer published', () => {
    const uri = 'https://mcp.example/t/gone/mcp';
    const tenants = [tenant({ status: { authorization: { resources: [{ url: uri, id: resource(uri).id }] } } })];
    expect(unclaimed([resource(uri)], tenants, { baseUrl: 'https://mcp.example', mode: 'path' })).toEqual([]);
  });
});

describe('the status to write', () => {
  const verdict = { type: 'AuthorizationReady', status: 'True', reason: 'Registered', message: 'ok' } as const;
  const resources = [{ url: mcp, id: 'r1' }];
  const recorded = { resources, organization: undefined };
  const at = (time: string) => () => new Date(time);

  test('is written once', () => {
    const first = statusToWrite(tenant(), verdict, recorded, at('2026-01-01T00:00:00Z'));
    expect(first?.condition).toEqual({ ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' });
    const written = tenant({ status: { conditions: [first?.condition ?? expect.unreachable()], authorization: { resources } } });
    expect(statusToWrite(written, verdict, recorded, at('2026-06-01T00:00:00Z'))).toBeUndefined();
  });

  test('keeps the time of an unchanged status when only the message changes', () => {
    const condition = { ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' };
    const shown = tenant({ status: { conditions: [condition], authorization: { resources } } });
    const next = statusToWrite(shown, { ...verdict, message: 'other' }, recorded, at('2026-06-01T00:00:00Z'));
    expect(next?.condition.lastTransitionTime).toBe('2026-01-01T00:00:00Z');
  });

  test('is written when only a registration changed', () => {
    const condition = { ...verdict, observedGeneration: 3, lastTransitionTime: '2026-01-01T00:00:00Z' };
    const shown = tenant({ status: { conditions: [condition], authorization: { resources } } });
    expect(statusToWrite(shown, verdict, { ...recorded, resources: [{ url: mcp, id: 'r9' }] }, at('2026-06-01T00:00:00Z'))).toBeDefined();
  });
});
