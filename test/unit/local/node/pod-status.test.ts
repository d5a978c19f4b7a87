import { describe, expect, it } from 'vitest';
import { historyOf, lostStatuses } from '../../../../local/node/history.ts';
import type { ContainerStatus, Pod } from '../../../../local/node/pod.ts';
import { type Progress, podStatusOf } from '../../../../local/node/status.ts';

const now = '2030-01-01T00:00:00Z';
const earlier = '2029-12-31T00:00:00Z';
const container = (name: string, rest: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: 'i',
  imageID: '',
  state: { running: { startedAt: earlier } },
  lastState: {},
  ready: true,
  started: true,
  restartCount: 0,
  ...rest,
});
const ended = (exitCode: number) => ({
  state: { terminated: { exitCode, reason: 'x', startedAt: earlier, finishedAt: now } },
  ready: false,
  started: false,
});
const pod: Pod = {
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: {
    initContainers: [{ name: 'side', image: 'i', restartPolicy: 'Always' }],
    containers: [{ name: 'main', image: 'i' }],
  },
};
const progress = (rest: Partial<Progress> = {}): Progress => ({
  pod,
  hostIp: '127.0.0.1',
  podIp: '127.1.2.3',
  startTime: earlier,
  initContainers: [container('side')],
  containers: [container('main')],
  initialized: true,
  outcome: undefined,
  ...rest,
});
const conditionOf = (rest: Partial<Progress>, type: string) => podStatusOf(progress(rest), now).conditions?.find((c) => c.type === type);

describe('status of a pod', () => {
  it('is Running and Ready when sidecar and main container are', () => {
    const status = podStatusOf(progress(), now);
    expect(status).toMatchObject({ phase: 'Running', podIP: '127.1.2.3', podIPs: [{ ip: '127.1.2.3' }], hostIP: '127.0.0.1' });
    expect(status.conditions?.map(({ type, status: holds }) => [type, holds])).toEqual([
      ['PodReadyToStartContainers', 'True'],
      ['Initialized', 'True'],
      ['Ready', 'True'],
      ['ContainersReady', 'True'],
      ['PodScheduled', 'True'],
    ]);
  });

  it('is not Ready while a sidecar is not', () => {
    const initContainers = [container('side', { ready: false })];
    expect(conditionOf({ initContainers }, 'Ready')).toMatchObject({ status: 'False', message: 'containers with unready status: [side]' });
  });

  it('is Pending until every sidecar has started', () => {
    const before = progress({ initialized: false, initContainers: [container('side', { started: false })] });
    const status = podStatusOf(before, now);
    expect(status.phase).toBe('Pending');
    expect(status.conditions?.find(({ type }) => type === 'Initialized')?.message).toBe('containers with incomplete status: [side]');
  });

  it('keeps the time of a condition that did not change, and conditions of others', () => {
    const conditions = [
      { type: 'Ready', status: 'True' as const, lastTransitionTime: earlier },
      { type: 'DisruptionTarget', status: 'True' as const, lastTransitionTime: earlier },
    ];
    const known = { ...pod, status: { conditions } };
    expect(conditionOf({ pod: known }, 'Ready')?.lastTransitionTime).toBe(earlier);
    expect(conditionOf({ pod: known }, 'Initialized')?.lastTransitionTime).toBe(now);
    expect(conditionOf({ pod: known }, 'DisruptionTarget')).toEqual(conditions[1]);
  });

  it('is Succeeded or Failed at its end, and no longer Ready', () => {
    const done = { outcome: { phase: 'Succeeded' as const }, containers: [container('main', ended(0))] };
    expect(podStatusOf(progress(done), now).phase).toBe('Succeeded');
    expect(conditionOf(done, 'Ready')).toMatchObject({ status: 'False', reason: 'PodCompleted' });
  });
});

describe('what an earlier run of the agent left', () => {
  const left = (restartPolicy: 'Always' | 'Never', status: ContainerStatus): Pod => ({
    ...pod,
    spec: { ...pod.spec, restartPolicy },
    status: { containerStatuses: [status] },
  });

  it('counts as a restart for a container that ran', () => {
    expect(historyOf(left('Always', container('main', { restartCount: 2 })), 'main', now)).toMatchObject({
      restartCount: 3,
      lastState: { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', finishedAt: now } },
    });
  });

  it('is nothing for a container that never ran', () => {
    const waiting = container('main', { state: { waiting: { reason: 'PodInitializing' } }, ready: false });
    expect(historyOf(left('Always', waiting), 'main', now)).toBeUndefined();
    expect(lostStatuses(left('Never', waiting), now)).toBeUndefined();
  });

  it('is the end of a pod that may not run twice', () => {
    expect(lostStatuses(left('Never', container('main')), now)).toMatchObject([{ ready: false, state: { terminated: { exitCode: 137 } } }]);
    expect(lostStatuses(left('Always', container('main')), now)).toBeUndefined();
  });
});
