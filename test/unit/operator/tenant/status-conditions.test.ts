import { describe, expect, test } from 'vitest';
import type { ConditionType } from '../../../../crds/conditions.ts';
import type { Tenant, TenantStatus } from '../../../../crds/tenant.ts';
import { deletingStatus, type Findings, hadSecrets, statusOf } from '../../../../operator/tenant/status.ts';
import { condition, tenant } from '../../gen.ts';

const now = (): Date => new Date('2026-01-02T03:04:05Z');
const server = { name: 's', version: '1', protocolVersions: ['2026-07-28'], tools: 40 };
const endpoints = { mcp: 'http://localhost/t/acme/mcp', metadata: 'http://localhost/metadata' };
const complete: Findings = {
  revision: 'abc',
  endpoints,
  secrets: true,
  database: { server: 'default', name: 'tenant_x' },
  migration: 'succeeded',
  workload: { available: true, settled: true },
  route: 'routed',
  verification: { state: 'succeeded', server },
};
/** Findings to replace; undefined removes one. */
type Change = { readonly [Finding in keyof Findings]?: Findings[Finding] | undefined };

const authorized: TenantStatus = { conditions: [condition('AuthorizationReady', 'True')] };
const served: TenantStatus = { ...authorized, server, endpoints };

const conditionOf = ({ conditions }: TenantStatus, type: ConditionType): string => {
  const { status, reason, message } = conditions?.find((one) => one.type === type) ?? {};
  return `${status} ${reason}: ${message}`;
};

describe('a condition', () => {
  test.each<[ConditionType, string, Change, object?]>([
    ['SecretsReady', 'True Generated: All secrets exist.', {}],
    ['SecretsReady', 'False Pending: Secrets are not generated yet.', { secrets: undefined }],
    ['SecretsReady', 'False TooManyKeys: full', { keysProblem: { reason: 'TooManyKeys', message: 'full' } }],
    ['DatabaseReady', 'True Ready: The database exists and is migrated.', {}],
    ['DatabaseReady', 'True Ready: The database exists and is migrated.', { migration: 'none' }],
    ['DatabaseReady', 'True NotRequired: This tenant has no database.', { database: 'none' }],
    ['DatabaseReady', 'False Provisioning: The database is not provisioned yet.', { database: undefined }],
    ['DatabaseReady', 'False NoServer: none', { databaseProblem: { reason: 'NoServer', message: 'none' } }],
    ['DatabaseReady', 'False MigrationFailed: The migration failed.', { migration: 'failed' }],
    ['DatabaseReady', 'False Migrating: The migration is under way.', { migration: 'running' }],
    [
      'DatabaseReady',
      'False Migrating: The migration does not start: no image',
      {
        migration: 'running',
        workload: { available: false, settled: false, problem: { reason: 'ImagePullFailed', message: 'no image', stalls: false } },
      },
    ],
    ['WorkloadAvailable', 'True Available: A pod serves.', {}],
    ['WorkloadAvailable', 'False Pending: The pods are not started yet.', { workload: undefined }],
    ['WorkloadAvailable', 'False Progressing: The pods are starting.', { workload: { available: false, settled: false } }],
    [
      'WorkloadAvailable',
      'False Unschedulable: no room',
      { workload: { available: false, settled: false, problem: { reason: 'Unschedulable', message: 'no room', stalls: false } } },
    ],
    [
      'WorkloadAvailable',
      'True Available: A pod serves. The next one does not start: no room',
      { workload: { available: true, settled: false, problem: { reason: 'Unschedulable', message: 'no room', stalls: false } } },
    ],
    ['WorkloadAvailable', 'False Suspended: The tenant is suspended', {}, { suspended: true }],
    [
      'WorkloadAvailable',
      'True Available: The tenant is suspended, but its pods serve until the pause ends.',
      { blocked: { reason: 'Paused', message: 'paused' } },
      { suspended: true },
    ],
    [
      'WorkloadAvailable',
      'False Suspended: The tenant is suspended',
      { blocked: { reason: 'Paused', message: 'paused' }, workload: { available: false, settled: true } },
      { suspended: true },
    ],
    ['WorkloadAvailable', 'True Available: A pod serves.', { blocked: { reason: 'Paused', message: 'paused' } }],
    ['RouteReady', 'True Routed: Service and route are in place.', {}],
    ['RouteReady', 'False Pending: The route is not in place yet.', { route: undefined }],
    ['RouteReady', 'False Pending: not yet', { route: { waiting: 'not yet' } }],
    ['RouteReady', 'False NotAccepted: no listener', { route: { refused: 'no listener' } }],
    ['Verified', 'True HandshakeSucceeded: An MCP handshake', {}],
    ['Verified', 'False Unreachable: no route', { verification: { state: 'failed', reason: 'Unreachable', message: 'no route' } }],
    ['Verified', 'False Suspended: A suspended tenant is not verified.', {}, { suspended: true }],
    ['Stalled', 'False Progressing: Nothing has to be done by hand.', {}],
    ['Stalled', 'False Progressing: no listener', { route: { refused: 'no listener' } }],
    ['Stalled', 'False Progressing: Nothing has to be done by hand.', { route: { waiting: 'not yet' } }],
    ['Stalled', 'True Paused: paused', { blocked: { reason: 'Paused', message: 'paused' } }],
    ['TemplateResolved', 'False TemplateNotFound: none', { blocked: { reason: 'TemplateNotFound', message: 'none' } }],
    ['Reconciling', 'False Settled: Nothing is being changed.', {}],
    ['Reconciling', 'True Progressing: Waiting for: the new pods.', { workload: { available: true, settled: false } }],
    ['Reconciling', 'True Progressing: Waiting for: the pods to stop.', {}, { suspended: true }],
    ['Reconciling', 'False Settled: Nothing is being changed.', { workload: { available: false, settled: false } }, { suspended: true }],
    ['Ready', 'True Ready: The tenant serves.', {}],
    ['Ready', 'False Suspended: The tenant is suspended.', {}, { suspended: true }],
    ['Ready', 'False Progressing: Waiting for: SecretsReady.', { secrets: false }],
    ['Ready', 'False Progressing: Waiting for: RouteReady. no listener', { route: { refused: 'no listener' } }],
    ['Ready', 'False Stalled: none', { blocked: { reason: 'TemplateNotFound', message: 'none' } }],
    ['Ready', 'True Ready: The tenant serves. There is no tool', { verification: { state: 'succeeded', server: { ...server, tools: 0 } } }],
  ])('%s is "%s"', (type, wanted, change, spec = {}) => {
    const status = statusOf(tenant(spec, authorized), { ...complete, ...change } as unknown as Findings, now);
    expect(conditionOf(status, type).slice(0, wanted.length)).toBe(wanted);
  });

  test.each<[ConditionType, string, Change]>([
    ['Ready', 'True Ready: The tenant serves.', {}],
    ['Ready', 'True Ready: The tenant serves as it is. none', { blocked: { reason: 'TemplateNotFound', message: 'none' } }],
    ['Ready', 'True Ready: The tenant serves as it is. full', { keysProblem: { reason: 'TooManyKeys', message: 'full' } }],
    [
      'Ready',
      'True Ready: The tenant serves, but its new pods do not: it ends',
      { workload: { available: true, settled: false, problem: { reason: 'CrashLoop', message: 'it ends', stalls: true } } },
    ],
    ['Ready', 'False WorkloadUnavailable: No pod of the tenant serves.', { workload: { available: false, settled: false } }],
    ['Verified', 'True HandshakeSucceeded: An MCP handshake', { verification: undefined }],
  ])('%s of a tenant that has served is "%s"', (type, wanted, change) => {
    const before = { ...served, conditions: [...(served.conditions ?? []), condition('Verified', 'True')] };
    const status = statusOf(tenant({}, before), { ...complete, ...change } as unknown as Findings, now);
    expect(conditionOf(status, type).slice(0, wanted.length)).toBe(wanted);
  });

  test('Verified does not hold for another URL, nor after a failure', () => {
    const holding = { ...served, conditions: [condition('Verified', 'True')] };
    const moved = {
      ...complete,
      verification: undefined,
      endpoints: { ...endpoints, mcp: 'http://localhost/t/other/mcp' },
    } as unknown as Findings;
    expect(conditionOf(statusOf(tenant({}, holding), moved, now), 'Verified')).toMatch(/^False Pending/);
    const failed = { ...served, conditions: [condition('Verified', 'False')] };
    const silent = { ...complete, verification: undefined } as unknown as Findings;
    expect(conditionOf(statusOf(tenant({}, failed), silent, now), 'Verified')).toMatch(/^False Pending/);
    const pending: Findings = { ...complete, verification: { state: 'pending' } };
    expect(conditionOf(statusOf(tenant({}, holding), pending, now), 'Verified')).toMatch(/^False Pending/);
    const paused: Findings = { ...pending, blocked: { reason: 'Paused', message: 'paused' } };
    expect(conditionOf(statusOf(tenant({}, holding), paused, now), 'Verified')).toMatch(/^True/);
  });

  test('AuthorizationReady is waited for last, beside the verification', () => {
    const waiting = (change: object): string =>
      conditionOf(statusOf(tenant(), { ...complete, ...change } as unknown as Findings, now), 'Reconciling');
    expect(waiting({})).toContain('Waiting for: AuthorizationReady.');
    expect(waiting({ verification: undefined })).toContain('Waiting for: AuthorizationReady, Verified.');
    expect(waiting({ verification: undefined, secrets: false })).toContain('Waiting for: SecretsReady, Verified.');
  });

  test('a reason of the control plane stalls the tenant', () => {
    const refused = { conditions: [condition('AuthorizationReady', 'False', 'OrganizationTaken'), condition('Ready', 'False', 'Any')] };
    const status = statusOf(tenant({}, refused), complete, now);
    expect(status.conditions?.find(({ type }) => type === 'Stalled')?.status).toBe('True');
    expect(status.conditions?.find(({ type }) => type === 'Stalled')?.reason).toBe('OrganizationTaken');
  });
});

describe('the fields of the status', () => {
  const known: TenantStatus = {
    ...served,
    template: { name: 'toolbridge', revision: 'old' },
    database: { server: 'default', name: 'tenant_old' },
    secrets: { lastRotation: '2026-01-01T00:00:00Z' },
    domains: [{ domain: 'a.example', state: 'Pending', record: { name: 'n', type: 'TXT', value: 'v' }, message: 'm' }],
  };
  const fields = (status: TenantStatus, findings: Findings) => {
    const { phase: _p, observedGeneration: _o, conditions: _c, ...rest } = statusOf(tenant({}, status), findings, now);
    return rest;
  };

  test('of a new tenant are those that were found', () => {
    expect(fields({}, {})).toStrictEqual({ namespace: 'tenant-acme' });
    expect(fields({}, { ...complete, domains: [] })).toStrictEqual({
      namespace: 'tenant-acme',
      endpoints,
      template: { name: 'toolbridge', revision: 'abc' },
      database: { server: 'default', name: 'tenant_x' },
      server,
    });
    expect(fields({}, { ...complete, workload: { available: true, settled: false } })).not.toHaveProperty('template');
    expect(fields({}, { database: 'none', verification: { state: 'pending' } })).toStrictEqual({ namespace: 'tenant-acme' });
  });

  test('stay where nothing was found, and are replaced otherwise', () => {
    const { conditions: _, ...kept } = known;
    expect(fields(known, {})).toStrictEqual({ namespace: 'tenant-acme', ...kept });
    const rotation = { lastRotation: '2026-01-02T00:00:00Z' };
    expect(fields(known, { ...complete, rotation, domains: [] })).toStrictEqual({
      namespace: 'tenant-acme',
      endpoints,
      template: { name: 'toolbridge', revision: 'abc' },
      database: { server: 'default', name: 'tenant_x' },
      server,
      secrets: rotation,
    });
  });
});

describe('the phase', () => {
  const deleted = (): Tenant => {
    const one = tenant({}, served);
    return { ...one, metadata: { ...one.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  };
  const crash = { available: true, settled: false, problem: { reason: 'CrashLoop', message: 'it ends', stalls: true } } as const;
  test.each<[TenantStatus['phase'], Tenant, Findings]>([
    ['Ready', tenant({}, authorized), complete],
    ['Provisioning', tenant({}, authorized), {}],
    ['Degraded', tenant({}, served), { ...complete, workload: { available: false, settled: false } }],
    ['Degraded', tenant({}, served), { ...complete, workload: crash }],
    ['Stalled', tenant({}, authorized), { ...complete, workload: { ...crash, available: false } }],
    ['Stalled', tenant({}, served), { ...complete, blocked: { reason: 'TemplateNotFound', message: 'none' } }],
    ['Suspended', tenant({ suspended: true }, served), complete],
    ['Deleting', deleted(), complete],
  ])('is %s', (phase, owner, found) => {
    expect(statusOf(owner, found, now).phase).toBe(phase);
  });
});

describe('a tenant that is being deleted', () => {
  test('waits for what is left, and is stalled with a problem', () => {
    const waiting = deletingStatus(tenant({}, known()), 'the namespace', undefined, now);
    expect(waiting).toMatchObject({ phase: 'Deleting', observedGeneration: 1, server });
    expect(waiting).not.toHaveProperty('authorization');
    expect(waiting.conditions?.map(({ type }) => type)).toEqual(['Ready', 'Reconciling', 'Stalled']);
    expect(conditionOf(waiting, 'Stalled')).toBe('False Progressing: Nothing has to be done by hand.');
    expect(conditionOf(waiting, 'Ready')).toBe('False Deleting: The tenant is being deleted; waiting for: the namespace.');
    const stuck = deletingStatus(tenant(), 'the database', 'in use', now);
    expect(conditionOf(stuck, 'Stalled')).toBe('True CleanupFailed: in use');
  });

  const known = (): TenantStatus => ({ ...served, authorization: { resources: [] } });
});

test.each([
  [[], false],
  [[condition('SecretsReady', 'False', 'Pending')], false],
  [[condition('SecretsReady', 'False', 'TooManyKeys')], true],
  [[condition('SecretsReady', 'True', 'Generated')], true],
  [[condition('Ready', 'True', 'Ready')], false],
])('with the conditions %j a tenant had Secrets: %s', (conditions, had) => {
  expect(hadSecrets(tenant({}, { conditions }))).toBe(had);
});
