import { describe, expect, test } from 'vitest';
import { labels } from '../../../../crds/names.ts';
import { secretsAnnotation } from '../../../../operator/render/pod.ts';
import {
  type ContainerStatus,
  isRolled,
  type PodObject,
  readyPod,
  unreadyPods,
  workloadState,
} from '../../../../operator/tenant/workload-state.ts';

const deployment = (status: object = {}) => ({
  metadata: { name: 'stack', generation: 2 },
  ...{ spec: { replicas: 1 }, status: { observedGeneration: 2, updatedReplicas: 1, replicas: 1, ...status } },
});
const pod = (container: Partial<ContainerStatus>, more: Partial<PodObject['metadata']> = {}, status: object = {}): PodObject => ({
  metadata: {
    name: 'stack-1',
    namespace: 'tenant-acme',
    creationTimestamp: '2026-01-01T00:00:00Z',
    labels: { 'pod-template-hash': 'new', [labels.component]: 'stack' },
    ...more,
  },
  status: { containerStatuses: [{ name: 'api', ...container }], ...status },
});
const problemOf = (...pods: PodObject[]) => workloadState(deployment(), pods).problem;
const ended = (seconds: number, exitCode = 1): Partial<ContainerStatus> => ({
  lastState: {
    terminated: {
      exitCode,
      startedAt: '2026-01-01T00:00:00Z',
      finishedAt: new Date(Date.parse('2026-01-01T00:00:00Z') + seconds * 1000).toISOString(),
    },
  },
});

describe('a container that keeps ending', () => {
  test('is a crash loop while it waits for its next start', () => {
    expect(problemOf(pod({ state: { waiting: { reason: 'CrashLoopBackOff' } } }))).toMatchObject({
      reason: 'CrashLoop',
      stalls: true,
      message: expect.stringContaining('kubectl logs -n tenant-acme stack-1 -c api --previous'),
    });
  });

  test('is a crash loop while it runs again after two crashes', () => {
    expect(problemOf(pod({ restartCount: 2, ready: false, state: { running: {} }, ...ended(1) }))).toMatchObject({ reason: 'CrashLoop' });
  });

  test.each([
    ['one crash', { restartCount: 1, ...ended(1) }],
    ['crashes of which it has recovered', { restartCount: 5, ready: true, ...ended(1) }],
    ['an end without an error', { restartCount: 5, ...ended(1, 0) }],
    ['a run of ten minutes', { restartCount: 5, ...ended(600) }],
    ['no end that is known', { restartCount: 5 }],
  ] satisfies [string, Partial<ContainerStatus>][])('is none after %s', (_what, container) => {
    expect(problemOf(pod({ state: { running: {} }, ...container }))).toBeUndefined();
  });

  test('is a crash loop after a run just below ten minutes', () => {
    expect(problemOf(pod({ restartCount: 5, state: { running: {} }, ...ended(599) }))).toMatchObject({ reason: 'CrashLoop' });
  });
});

describe('a container that does not start', () => {
  const waiting = (reason: string) => pod({ state: { waiting: { reason, message: 'because' } } });

  test.each([
    ['CreateContainerConfigError', 'ContainerRefused', false],
    ['CreateContainerError', 'ContainerRefused', false],
    ['ErrImagePull', 'ImagePullFailed', false],
    ['ImagePullBackOff', 'ImagePullFailed', false],
    ['ErrImageNeverPull', 'ImagePullFailed', true],
    ['InvalidImageName', 'ImagePullFailed', true],
  ])('for %s is %s', (waits, reason, stalls) => {
    expect(problemOf(waiting(waits))).toEqual({ reason, stalls, message: expect.stringMatching(new RegExp(`${waits}.*because`)) });
  });

  test('is no problem while it is being made', () => {
    expect(problemOf(waiting('ContainerCreating'))).toBeUndefined();
  });

  test('is no problem in a pod that is being deleted, or of a former roll-out', () => {
    const failing = { state: { waiting: { reason: 'CreateContainerError' } } };
    expect(problemOf(pod(failing, { deletionTimestamp: '2026-01-01T00:00:00Z' }))).toBeUndefined();
    const former = pod(failing, { creationTimestamp: '2025-12-31T00:00:00Z', labels: { 'pod-template-hash': 'old' } });
    expect(problemOf(former, pod({}))).toBeUndefined();
    expect(problemOf(pod({}), former)).toBeUndefined();
  });

  test('is a problem also where it is an init container', () => {
    const init = pod({}, {}, { initContainerStatuses: [{ name: 'mcp', state: { waiting: { reason: 'CreateContainerError' } } }] });
    expect(problemOf(init)).toMatchObject({ reason: 'ContainerRefused', message: expect.stringContaining('container mcp') });
  });

  test('has a remedy where no node takes the pod', () => {
    const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes.' }];
    expect(problemOf(pod({}, {}, { conditions }))).toEqual({
      reason: 'Unschedulable',
      stalls: false,
      message: expect.stringContaining('no node takes pod stack-1: 0/1 nodes. Give the cluster room'),
    });
    expect(problemOf(pod({}, {}, { conditions: [{ ...conditions[0], status: 'True' }] }))).toBeUndefined();
  });
});

describe('a Deployment', () => {
  test('is settled when all of its pods are new and available', () => {
    const done = { availableReplicas: 1 };
    expect(workloadState(deployment(done), [])).toEqual({ available: true, settled: true });
    for (const short of [{ updatedReplicas: 0 }, { replicas: 2 }, { observedGeneration: 1 }, { availableReplicas: 0 }])
      expect(workloadState(deployment({ ...done, ...short }), []).settled).toBe(false);
    expect(workloadState(undefined, [])).toEqual({ available: false, settled: false });
  });

  test('has no problem of its pods once it is settled', () => {
    const failing = pod({ state: { waiting: { reason: 'CreateContainerError' } } });
    expect(workloadState(deployment({ availableReplicas: 1 }), [failing]).problem).toBeUndefined();
  });

  test('reports pods that the API server refuses, and a deadline that has passed', () => {
    const refused = { type: 'ReplicaFailure', status: 'True', message: 'exceeded quota' };
    expect(workloadState(deployment({ conditions: [refused] }), []).problem).toMatchObject({ reason: 'PodsRefused', stalls: false });
    const overdue = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' };
    expect(workloadState(deployment({ conditions: [overdue] }), []).problem).toMatchObject({
      reason: 'ProgressDeadlineExceeded',
      stalls: true,
    });
    expect(workloadState(deployment({ conditions: [refused, overdue] }), []).problem).toMatchObject({
      reason: 'PodsRefused',
      stalls: true,
    });
  });
});

describe('pods of the stack', () => {
  const ready = pod({ ready: true });
  const unready = pod({ ready: false });

  test('are ready when all containers are', () => {
    expect(readyPod([unready, ready])).toBe(ready);
    expect(unreadyPods([unready, ready])).toEqual([unready]);
    const half = pod({ ready: true }, {}, { initContainerStatuses: [{ name: 'mcp', ready: false }] });
    expect(readyPod([half, { metadata: ready.metadata }])).toBeUndefined();
  });

  test('are neither those of migrations nor those being deleted', () => {
    expect(readyPod([pod({ ready: true }, { labels: { [labels.component]: 'migration' } })])).toBeUndefined();
    expect(unreadyPods([pod({}, { deletionTimestamp: '2026-01-01T00:00:00Z' })])).toEqual([]);
  });

  test('are rolled when each that has not ended has the Secrets of now', () => {
    const settled = { available: true, settled: true };
    const current = pod({}, { annotations: { [secretsAnnotation]: 'now' } });
    const former = pod({}, { annotations: { [secretsAnnotation]: 'before' } });
    const evicted = pod({}, { annotations: { [secretsAnnotation]: 'before' } }, { phase: 'Failed' });
    const done = pod({}, { annotations: { [secretsAnnotation]: 'before' } }, { phase: 'Succeeded' });
    expect(isRolled(settled, [current, evicted, done], 'now', false)).toBe(true);
    expect(isRolled(settled, [current, former], 'now', false)).toBe(false);
    expect(isRolled({ available: true, settled: false }, [current], 'now', false)).toBe(false);
    expect(isRolled(settled, [current], 'now', true)).toBe(false);
    expect(isRolled(settled, [evicted], 'now', true)).toBe(true);
  });
});
