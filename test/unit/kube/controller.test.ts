import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, test } from 'vitest';
import { Controller, countRequests } from '../../../kube/controller.ts';
import { KubeError } from '../../../kube/errors.ts';

/** Samples of a registry by name and the values of their labels. */
async function samplesOf(registry: Registry): Promise<Record<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (.*)$/.exec(line) ?? [];
      return [[name, ...[...labels.matchAll(/"([^"]*)"/g)].map(([, label]) => label)].join(' '), Number(value)];
    }),
  );
}

/** One pass for one key: the metrics before and after it, and what it logged. */
async function pass(outcome: () => Promise<number | undefined>) {
  const registry = new Registry();
  const logged: [string, object, string][] = [];
  const log = {
    debug: (fields: object, text: string) => logged.push(['debug', fields, text]),
    warn: (fields: object, text: string) => logged.push(['warn', fields, text]),
  } as unknown as Pick<Logger, 'debug' | 'warn'>;
  const stop = new AbortController();
  const handled = Promise.withResolvers<void>();
  const controller = new Controller({
    name: 'tenants',
    registry,
    log,
    workers: 1,
    reconcile: (key) => {
      expect(key).toBe('acme');
      handled.resolve();
      return outcome();
    },
  });
  const before = await samplesOf(registry);
  const running = controller.run(stop.signal);
  controller.add('acme');
  await handled.promise;
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await running;
  return { before, after: await samplesOf(registry), logged };
}

describe('a controller', () => {
  test('has all of its counters from the start, so that their rates begin at zero', async () => {
    const { before } = await pass(async () => undefined);
    expect(before).toMatchObject({
      'controller_runtime_reconcile_total tenants success': 0,
      'controller_runtime_reconcile_total tenants requeue_after': 0,
      'controller_runtime_reconcile_total tenants error': 0,
      'controller_runtime_reconcile_errors_total tenants': 0,
      'workqueue_retries_total tenants': 0,
      'controller_runtime_active_workers tenants': 0,
      'workqueue_depth tenants': 0,
    });
  });

  test.each<[string, () => Promise<number | undefined>, Record<string, number>, string[]]>([
    ['a success', async () => undefined, { success: 1, requeue_after: 0, error: 0, errors: 0, retries: 0 }, []],
    ['a success to be repeated', async () => 60_000, { success: 0, requeue_after: 1, error: 0, errors: 0, retries: 0 }, []],
    [
      'a failure',
      () => Promise.reject(new KubeError(500, 'InternalError', 'any')),
      { success: 0, requeue_after: 0, error: 1, errors: 1, retries: 1 },
      ['warn reconcile failed'],
    ],
    [
      'an error that is none of the API',
      () => Promise.reject(Object.assign(new Error('any'), { stale: true })),
      { success: 0, requeue_after: 0, error: 1, errors: 1, retries: 1 },
      ['warn reconcile failed'],
    ],
    [
      'a pass on stale state',
      () => Promise.reject(new KubeError(409, 'Conflict', 'any')),
      { success: 0, requeue_after: 1, error: 0, errors: 0, retries: 1 },
      ['debug reconcile on stale state'],
    ],
  ])('counts %s', async (_name, outcome, counts, lines) => {
    const { after, logged } = await pass(outcome);
    expect({
      success: after['controller_runtime_reconcile_total tenants success'],
      requeue_after: after['controller_runtime_reconcile_total tenants requeue_after'],
      error: after['controller_runtime_reconcile_total tenants error'],
      errors: after['controller_runtime_reconcile_errors_total tenants'],
      retries: after['workqueue_retries_total tenants'],
    }).toEqual(counts);
    expect(logged.map(([level, , text]) => `${level} ${text}`)).toEqual(lines);
    for (const [, fields] of logged) expect(fields).toMatchObject({ controller: 'tenants', key: 'acme' });
    expect(after).toMatchObject({
      'controller_runtime_reconcile_time_seconds_count tenants': 1,
      'workqueue_queue_duration_seconds_count tenants': 1,
    });
    const buckets = Object.keys(after).flatMap((name) => /^controller_runtime_reconcile_time_seconds_bucket (\S+)/.exec(name)?.[1] ?? []);
    expect(buckets).toEqual(['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '30', '60', '+Inf']);
  });

  test('shares the metrics of its registry with other controllers', async () => {
    const registry = new Registry();
    const log = { debug: () => {}, warn: () => {} } as unknown as Pick<Logger, 'debug' | 'warn'>;
    const [first] = ['first', 'second'].map(
      (name) => new Controller({ name, registry, log, workers: 1, reconcile: async () => undefined }),
    );
    first?.add('a');
    first?.add('b');
    expect(await samplesOf(registry)).toMatchObject({ 'workqueue_depth first': 2, 'workqueue_depth second': 0 });
  });
});

test('the pause after many failures is that of the options, five minutes by default', async () => {
  const pauseOf = async (options: { maxDelayMs?: number }): Promise<number> => {
    const pauses: number[] = [];
    const stop = new AbortController();
    const log = { warn: ({ requeueAfterMs }: { requeueAfterMs: number }) => pauses.push(requeueAfterMs) } as unknown as Logger;
    const reconcile = () => Promise.reject(new Error('any'));
    const controller = new Controller({ name: 'tenants', registry: new Registry(), log, workers: 1, reconcile, ...options });
    const running = controller.run(stop.signal);
    for (let i = 0; i < 15; i++) {
      controller.add('acme');
      await new Promise((resolve) => setImmediate(resolve));
    }
    stop.abort();
    await running;
    return pauses.at(-1) ?? 0;
  };
  expect(await pauseOf({ maxDelayMs: 1_000 })).toBeLessThanOrEqual(1_100);
  expect(await pauseOf({})).toBeGreaterThanOrEqual(270_000);
});

test('requests to the Kubernetes API are counted by method and status', async () => {
  const registry = new Registry();
  const count = countRequests(registry);
  count('GET', 200);
  count('GET', 200);
  count('PATCH', 0);
  expect(await samplesOf(registry)).toEqual({ 'rest_client_requests_total GET 200': 2, 'rest_client_requests_total PATCH 0': 1 });
});
