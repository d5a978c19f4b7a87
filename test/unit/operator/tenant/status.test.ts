import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ConditionType, conditionOfStall, conditionTypes, isStall, reasonsOf, type Stall } from '../../../../crds/conditions.ts';
import { tenantStatus } from '../../../../crds/tenant.ts';
import { readSettings } from '../../../../operator/installation/settings.ts';
import { routeState } from '../../../../operator/tenant/route-state.ts';
import { deletingStatus, type Findings, statusOf } from '../../../../operator/tenant/status.ts';
import { isRolled, workloadState } from '../../../../operator/tenant/workload-state.ts';
import { condition, settingsWith, tenant } from '../../gen.ts';

const now = (): Date => new Date('2026-01-02T03:04:05Z');
const server = { name: 's', version: '1', protocolVersions: ['2026-07-28'], tools: 40 };
const endpoints = { mcp: 'http://localhost/t/acme/mcp', metadata: 'http://localhost/.well-known/oauth-protected-resource/t/acme/mcp' };
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
const authorized = { conditions: [condition('AuthorizationReady', 'True')] };

function verdict(status: ReturnType<typeof statusOf>, type: ConditionType): { status?: string; reason?: string; message?: string } {
  return status.conditions?.find((entry) => entry.type === type) ?? {};
}

describe('the status', () => {
  test('is Ready when everything holds, and fits the schema', () => {
    const status = statusOf(tenant({}, authorized), complete, now);
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'True', reason: 'Ready' });
    expect(verdict(status, 'Reconciling').status).toBe('False');
    expect(status.phase).toBe('Ready');
    expect(status.server?.tools).toBe(40);
    expect(tenantStatus.safeParse(status).error).toBeUndefined();
    for (const entry of status.conditions ?? []) expect(reasonsOf(entry.type as ConditionType)).toContain(entry.reason);
  });

  test.each<[string, Partial<Findings>, ConditionType]>([
    ['the secrets', { secrets: false }, 'SecretsReady'],
    ['the migration', { migration: 'running' }, 'DatabaseReady'],
    ['the pods', { workload: { available: false, settled: false } }, 'WorkloadAvailable'],
    ['the route', { route: { waiting: 'not yet' } }, 'RouteReady'],
    ['the handshake', { verification: { state: 'pending' } }, 'Verified'],
  ])('waits for %s before the first Ready and says so', (_name, change, type) => {
    const status = statusOf(tenant({}, authorized), { ...complete, ...change }, now);
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Progressing' });
    expect(verdict(status, 'Ready').message).toContain(type);
    expect(verdict(status, 'Reconciling').status).toBe('True');
  });

  test('waits for the control plane before the first Ready', () => {
    expect(verdict(statusOf(tenant(), complete, now), 'Ready').message).toContain('AuthorizationReady');
  });

  test('after the first success only the workload can take Ready away', () => {
    const once = { ...authorized, server, conditions: [condition('Ready', 'True')] };
    const unreachable: Findings = { ...complete, verification: { state: 'failed', reason: 'Unreachable', message: 'no route' } };
    const away = statusOf(tenant({}, once), unreachable, now);
    expect(verdict(away, 'Ready').status).toBe('True');
    expect(verdict(away, 'Verified')).toMatchObject({ status: 'False', reason: 'Unreachable' });
    const down = statusOf(tenant({}, once), { ...complete, workload: { available: false, settled: false } }, now);
    expect(verdict(down, 'Ready')).toMatchObject({ status: 'False', reason: 'WorkloadUnavailable' });
    expect(down.phase).toBe('Degraded');
  });

  test('a file of keys that is not as it should be takes SecretsReady away, and nothing else', () => {
    const once = { ...authorized, server, conditions: [condition('Ready', 'True'), condition('AuthorizationReady', 'True')] };
    const keysProblem = { reason: 'KeysNotWritten', message: 'revoked keys may work on' } as const;
    const status = statusOf(tenant({}, once), { ...complete, keysProblem }, now);
    expect(verdict(status, 'SecretsReady')).toMatchObject({ status: 'False', ...keysProblem });
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'True', message: 'The tenant serves as it is. revoked keys may work on' });
    expect(verdict(status, 'Reconciling').message).toContain('SecretsReady');
  });

  const written = conditionTypes.filter((type) => type !== 'AuthorizationReady');
  const stalls = [...new Set(written.flatMap(reasonsOf))].filter(isStall);

  test.each<Stall>(stalls.filter((reason) => conditionOfStall(reason) !== 'AuthorizationReady'))(
    '%s stalls the tenant and fails its own condition',
    (reason) => {
      const type = conditionOfStall(reason) as ConditionType;
      const status = statusOf(tenant({}, authorized), { blocked: { reason, message: 'act' } }, now);
      expect(verdict(status, 'Stalled')).toMatchObject({ status: 'True', reason, message: 'act' });
      expect(verdict(status, type)).toMatchObject({ status: type === 'Stalled' ? 'True' : 'False', reason, message: 'act' });
      expect(verdict(status, 'Reconciling').status).toBe('False');
      expect(verdict(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Stalled' });
      expect(status.phase).toBe('Stalled');
      for (const entry of status.conditions ?? []) expect(reasonsOf(entry.type as ConditionType)).toContain(entry.reason);
    },
  );

  const { verification: _none, ...unverified } = complete;
  const refusals = reasonsOf('AuthorizationReady').filter(isStall);
  const refusal = (reason: string) => ({ ...condition('AuthorizationReady', 'False', reason), message: 'correct it' });

  test.each(refusals)('what a person has to put right at WorkOS (%s) stalls the tenant, with the words of the control plane', (reason) => {
    const status = statusOf(tenant({}, { conditions: [refusal(reason)] }), unverified, now);
    expect(verdict(status, 'Stalled')).toMatchObject({ status: 'True', reason, message: 'correct it' });
    expect(verdict(status, 'Reconciling')).toMatchObject({ status: 'False', reason: 'Settled' });
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Stalled', message: 'correct it' });
    expect(status.phase).toBe('Stalled');
    for (const entry of status.conditions ?? []) expect(reasonsOf(entry.type as ConditionType)).toContain(entry.reason);
  });

  test.each(refusals)('a tenant that was Ready stays so where something is to be put right at WorkOS (%s), and says it', (reason) => {
    const status = statusOf(tenant({}, { server, conditions: [condition('Ready', 'True'), refusal(reason)] }), complete, now);
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'True', message: 'The tenant serves as it is. correct it' });
    expect(verdict(status, 'Stalled')).toMatchObject({ status: 'True', reason });
  });

  test('a WorkOS that does not answer stalls nothing: it is asked again', () => {
    const status = statusOf(tenant({}, { conditions: [refusal('ProviderUnavailable')] }), unverified, now);
    expect(verdict(status, 'Stalled').status).toBe('False');
    expect(verdict(status, 'Reconciling').status).toBe('True');
  });

  test('a tenant that is suspended in a pause says that its pods still serve', () => {
    const blocked = { reason: 'Paused', message: 'paused' } as const;
    const status = statusOf(tenant({ suspended: true }, { ...authorized, server }), { ...complete, blocked }, now);
    expect(verdict(status, 'WorkloadAvailable')).toMatchObject({
      status: 'True',
      message: expect.stringContaining('until the pause ends'),
    });
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Suspended' });
  });

  test('a suspended tenant is not Ready and nothing is wrong with it', () => {
    const once = { ...authorized, server };
    const status = statusOf(tenant({ suspended: true }, once), { ...complete, workload: { available: false, settled: false } }, now);
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'False', reason: 'Suspended' });
    expect(verdict(status, 'Stalled').status).toBe('False');
    expect(status.phase).toBe('Suspended');
  });

  test('is the same a second time, so that nothing is written', () => {
    const first = statusOf(tenant({}, authorized), complete, now);
    const again = statusOf(
      tenant({}, { ...first, conditions: [...(first.conditions ?? []), ...authorized.conditions] }),
      complete,
      () => new Date(),
    );
    expect(again).toEqual(first);
  });

  test('never writes the condition of the control plane', () => {
    expect(statusOf(tenant({}, authorized), complete, now).conditions?.map((entry) => entry.type)).not.toContain('AuthorizationReady');
    const going = deletingStatus(tenant({}, { ...authorized, authorization: { resources: [] } }), 'the namespace', undefined, now);
    expect(going.conditions?.map((entry) => entry.type)).not.toContain('AuthorizationReady');
    expect(going).not.toHaveProperty('authorization');
  });

  test('a clean-up that fails is Stalled', () => {
    const status = deletingStatus(tenant({}, authorized), 'the database', 'server away', now);
    expect(verdict(status, 'Stalled')).toMatchObject({ status: 'True', reason: 'CleanupFailed', message: 'server away' });
    expect(status.phase).toBe('Deleting');
  });
});

describe('a handshake that succeeded', () => {
  const { verification: _none, ...unverified } = complete;
  const once = { ...authorized, endpoints, conditions: [condition('Verified', 'True')] };

  test('holds while nothing was tried again', () => {
    expect(verdict(statusOf(tenant({}, once), unverified, now), 'Verified').status).toBe('True');
  });

  test('says nothing of a URL that the tenant has moved to since', () => {
    const moved = { ...unverified, endpoints: { ...endpoints, mcp: 'https://acme.example.com/mcp' } };
    expect(verdict(statusOf(tenant({}, once), moved, now), 'Verified')).toMatchObject({ status: 'False', reason: 'Pending' });
  });
});

describe('the workload', () => {
  const deployment = (status: object, generation = 2): { metadata: object } =>
    ({ metadata: { name: 'stack', generation }, spec: { replicas: 2 }, status }) as never;

  test.each([
    ['all pods run the last revision', { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2 }, true, true],
    ['a rollout is under way', { observedGeneration: 2, replicas: 3, updatedReplicas: 1, availableReplicas: 2 }, true, false],
    ['the change was not seen yet', { observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 2 }, true, false],
    ['nothing runs', { observedGeneration: 2 }, false, false],
  ])('when %s', (_name, status, available, settled) => {
    expect(workloadState(deployment(status) as never, [])).toEqual({ available, settled });
  });

  test('an image that cannot be pulled is named', () => {
    const pod = {
      metadata: { name: 'p', namespace: 'tenant-acme' },
      status: { initContainerStatuses: [{ name: 'api', state: { waiting: { reason: 'ErrImageNeverPull', message: 'no such image' } } }] },
    };
    expect(workloadState(deployment({}) as never, [pod]).problem).toMatchObject({ reason: 'ImagePullFailed' });
  });
});

describe('a rollout of new secrets', () => {
  const pod = (fingerprint: string, component = 'stack', phase = 'Running') =>
    ({
      metadata: {
        name: fingerprint,
        labels: { 'app.kubernetes.io/component': component },
        annotations: { 'tenantry.dev/secrets': fingerprint },
      },
      status: { phase },
    }) as never;
  const settled = { available: true, settled: true };

  test.each([
    ['all pods are new', settled, [pod('new'), pod('new')], false, true],
    ['an old one is still ending', settled, [pod('new'), pod('old')], false, false],
    ['a new one is not ready', { available: true, settled: false }, [pod('new')], false, false],
    ['the migration of another is there', settled, [pod('new'), pod('old', 'migration')], false, true],
    ['an old one was evicted and its object stays', settled, [pod('new'), pod('old', 'stack', 'Failed')], false, true],
    ['the tenant is suspended', { available: false, settled: false }, [], true, true],
    ['the suspended tenant has what is left of one', { available: false, settled: false }, [pod('old', 'stack', 'Failed')], true, true],
    ['the suspended tenant still has a pod', { available: true, settled: false }, [pod('new')], true, false],
  ])('when %s', (_what, workload, pods, suspended, expected) => {
    expect(isRolled(workload, pods, 'new', suspended)).toBe(expected);
  });
});

describe('what a node or the API server refuses', () => {
  const conditionsOf = (object: object) => workloadState(object as never, []).problem;

  test('a pod that no node takes is named, with why', () => {
    const message = '0/1 nodes are available: 1 Insufficient memory.';
    const pod = {
      metadata: { name: 'p', namespace: 'tenant-acme' },
      status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] },
    };
    expect(workloadState({ metadata: { name: 'stack' } }, [pod]).problem).toEqual({
      reason: 'Unschedulable',
      message: expect.stringContaining(message),
      stalls: false,
    });
  });

  test('pods that are not even accepted are named, with why', () => {
    const condition = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota: tenantry' };
    expect(conditionsOf({ metadata: { name: 'stack' }, status: { conditions: [condition] } })).toEqual({
      reason: 'PodsRefused',
      message: 'the API server refuses the pods: exceeded quota: tenantry',
      stalls: false,
    });
  });

  test('a new pod that does not start is told of while the old one serves', () => {
    const workload = {
      available: true,
      settled: false,
      problem: { reason: 'ImagePullFailed' as const, message: 'no such image', stalls: false },
    };
    const { status, reason, message } = verdict(statusOf(tenant({}, authorized), { ...complete, workload }, now), 'WorkloadAvailable');
    expect([status, reason]).toEqual(['True', 'Available']);
    expect(message).toContain('no such image');
  });
});

describe('the route', () => {
  const settings = settingsWith({ TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'gateways/public' });
  const route = (...conditions: object[]) =>
    ({ metadata: { name: 'stack' }, status: { parents: [{ parentRef: { namespace: 'gateways', name: 'public' }, conditions }] } }) as never;
  const accepted = { type: 'Accepted', status: 'True' };

  test.each([
    ['not there', undefined, undefined],
    ['seen by nobody', { metadata: { name: 'stack' } }, { waiting: expect.stringContaining('Gateway gateways/public has not accepted') }],
    ['accepted', route(accepted, { type: 'ResolvedRefs', status: 'True' }), 'routed'],
    [
      'refused',
      route({ type: 'Accepted', status: 'False', reason: 'NotAllowedByListeners', message: 'no listener' }),
      { refused: expect.stringContaining('Gateway gateways/public does not accept the route (NotAllowedByListeners: no listener)') },
    ],
    [
      'without its Service',
      route(accepted, { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound' }),
      { refused: expect.stringContaining('(BackendNotFound)') },
    ],
    [
      "accepted by somebody else's gateway",
      {
        metadata: { name: 'stack' },
        status: { parents: [{ parentRef: { namespace: 'other', name: 'public' }, conditions: [accepted] }] },
      } as never,
      { waiting: expect.any(String) },
    ],
    [
      'accepted as it was before',
      { ...(route({ ...accepted, observedGeneration: 1 }) as object), metadata: { name: 'stack', generation: 2 } } as never,
      { waiting: expect.any(String) },
    ],
  ])('as an HTTPRoute that is %s', (_name, object, expected) => {
    expect(routeState(object, settings)).toEqual(expected);
  });

  test('as an Ingress is in place once it exists, because controllers need not say anything', () => {
    expect(routeState({ metadata: { name: 'stack' } }, settingsWith())).toBe('routed');
  });

  test('that the gateway refuses says so', () => {
    const status = statusOf(tenant({}, authorized), { ...complete, route: { refused: 'NotAllowedByListeners: no listener' } }, now);
    expect(verdict(status, 'RouteReady')).toMatchObject({ status: 'False', reason: 'NotAccepted' });
  });
});

describe('what holds a tenant up', () => {
  test('is said where people look, migration included', () => {
    const problem = { reason: 'Unschedulable' as const, message: 'no node takes pod migrate: Insufficient cpu', stalls: false };
    const stuck: Findings = { ...complete, migration: 'running', workload: { available: false, settled: false, problem } };
    const status = statusOf(tenant({}, authorized), stuck, now);
    for (const type of ['DatabaseReady', 'WorkloadAvailable', 'Ready', 'Stalled'] as const)
      expect(verdict(status, type).message, type).toContain('Insufficient cpu');
  });
});

describe('the settings', () => {
  test.each(['postgres://tenantry:Sup3r/Secret@10.0.0.1:5432/postgres', 'mysql://u:Sup3r/Secret@h/d', '10.0.0.1:5432', ''])(
    'refuse %j as what the file of the database URL holds, without repeating it',
    (contents) => {
      const file = join(mkdtempSync(join(tmpdir(), 'tenantry-settings-')), 'url');
      writeFileSync(file, contents);
      const read = (): unknown => settingsWith({ TENANTRY_DATABASE_URL_FILE: file });
      expect(read).toThrowError(/TENANTRY_DATABASE_URL_FILE: .*percent-encoded/);
      expect(read).not.toThrowError(/Sup3r/);
      rmSync(dirname(file), { recursive: true });
    },
  );

  test('each fault is named, and no value is repeated', () => {
    const read = (): unknown => readSettings({ TENANTRY_BASE_URL: 'not a url', TENANTRY_DATABASE_URL: 'mysql://u:hunter2@h/d' });
    expect(read).toThrowError(/TENANTRY_BASE_URL[\s\S]*TENANTRY_SIDECAR_IMAGE: is required[\s\S]*TENANTRY_DATABASE_URL/);
    expect(read).not.toThrowError(/hunter2/);
  });
});

describe('a roll-out', () => {
  const once = { ...authorized, server, conditions: [condition('Ready', 'True'), ...authorized.conditions] };
  const crash = { reason: 'CrashLoop', message: 'container api keeps ending.', stalls: true } as const;

  test('is Reconciling until the new pods serve, while the tenant stays Ready', () => {
    const status = statusOf(tenant({}, once), { ...complete, workload: { available: true, settled: false } }, now);
    expect(verdict(status, 'Reconciling')).toMatchObject({ status: 'True', message: 'Waiting for: the new pods.' });
    expect(verdict(status, 'Stalled').status).toBe('False');
    expect(verdict(status, 'Ready')).toMatchObject({ status: 'True', message: 'The tenant serves.' });
    expect(status.phase).toBe('Ready');
  });

  test('that fails is Stalled and Degraded while the old pod serves', () => {
    const status = statusOf(tenant({}, once), { ...complete, workload: { available: true, settled: false, problem: crash } }, now);
    expect(verdict(status, 'Reconciling').status).toBe('False');
    expect(verdict(status, 'Stalled')).toMatchObject({ status: 'True', reason: 'CrashLoop', message: crash.message });
    expect(verdict(status, 'WorkloadAvailable')).toMatchObject({ status: 'True', reason: 'Available' });
    expect(verdict(status, 'Ready')).toMatchObject({
      status: 'True',
      message: 'The tenant serves, but its new pods do not: container api keeps ending.',
    });
    expect(status.phase).toBe('Degraded');
  });

  test('that fails before the first Ready stalls the tenant', () => {
    const status = statusOf(tenant({}, authorized), { ...complete, workload: { available: false, settled: false, problem: crash } }, now);
    expect(verdict(status, 'WorkloadAvailable')).toMatchObject({ status: 'False', reason: 'CrashLoop' });
    expect(verdict(status, 'Stalled')).toMatchObject({ status: 'True', reason: 'CrashLoop' });
    expect(status.phase).toBe('Stalled');
  });

  test('that stops the pods of a suspended tenant is Reconciling until they are gone', () => {
    const serving = { ...complete, workload: { available: true, settled: false } };
    const status = statusOf(tenant({ suspended: true }, once), serving, now);
    expect(verdict(status, 'Reconciling')).toMatchObject({ status: 'True', message: 'Waiting for: the pods to stop.' });
    const stopped = statusOf(tenant({ suspended: true }, once), { ...complete, workload: { available: false, settled: false } }, now);
    expect(verdict(stopped, 'Reconciling').status).toBe('False');
  });

  const rolling = (conditions: object[], updatedReplicas = 1) =>
    ({
      metadata: { name: 'stack', generation: 2 },
      spec: { replicas: 1 },
      status: { observedGeneration: 2, replicas: 2, updatedReplicas, availableReplicas: 1, conditions },
    }) as never;
  const late = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' };
  const pod = (hash: string, created: string, containerStatus: object) =>
    ({
      metadata: { name: hash, namespace: 'tenant-acme', creationTimestamp: created, labels: { 'pod-template-hash': hash } },
      status: { containerStatuses: [{ name: 'api', ready: false, ...containerStatus }] },
    }) as never;
  const crashing = { restartCount: 1, state: { waiting: { reason: 'CrashLoopBackOff' } } };
  const starting = { restartCount: 0, state: { running: {} } };
  const pulling = { restartCount: 0, state: { waiting: { reason: 'ImagePullBackOff' } } };
  const [first, second] = ['2026-01-02T03:00:00Z', '2026-01-02T03:01:00Z'];

  test('past its deadline stalls, with the reason of the pods where they have one', () => {
    expect(workloadState(rolling([late]), []).problem).toMatchObject({ reason: 'ProgressDeadlineExceeded', stalls: true });
    expect(workloadState(rolling([late]), [pod('new', second, pulling)]).problem).toMatchObject({
      reason: 'ImagePullFailed',
      stalls: true,
    });
    expect(workloadState(rolling([]), [pod('new', second, pulling)]).problem).toMatchObject({ reason: 'ImagePullFailed', stalls: false });
  });

  test('that mends another is not blamed for the crashes of the former pods', () => {
    const pods = [pod('old', first, crashing), pod('new', second, starting)];
    expect(workloadState(rolling([]), pods).problem).toBeUndefined();
    expect(workloadState(rolling([], 0), [pod('old', first, crashing)]).problem).toBeUndefined();
    expect(workloadState(rolling([]), [pod('old', first, starting), pod('new', second, crashing)]).problem).toMatchObject({
      reason: 'CrashLoop',
      stalls: true,
    });
  });

  test('stays a crash loop while the container is tried again', () => {
    const last = { terminated: { exitCode: 1, startedAt: first, finishedAt: '2026-01-02T03:00:01Z' } };
    const again = { restartCount: 2, state: { running: {} }, lastState: last };
    expect(workloadState(rolling([]), [pod('new', second, again)]).problem?.reason).toBe('CrashLoop');
    expect(workloadState(rolling([]), [pod('new', second, { ...again, ready: true })]).problem).toBeUndefined();
    const long = { terminated: { exitCode: 1, startedAt: first, finishedAt: '2026-01-02T05:00:00Z' } };
    expect(workloadState(rolling([]), [pod('new', second, { ...again, lastState: long })]).problem).toBeUndefined();
  });
});
