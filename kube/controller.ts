import type { Logger } from 'pino';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { KubeError } from './errors.ts';
import type { RequestObserver } from './transport.ts';
import { WorkQueue } from './work-queue.ts';

export interface ControllerOptions {
  /** For metrics and logs. */
  readonly name: string;
  readonly registry: Registry;
  readonly log: Pick<Logger, 'debug' | 'warn'>;
  readonly workers: number;
  /** Longest delay between two attempts at a key that fails, in milliseconds. */
  readonly maxDelayMs?: number;
  /**
   * Brings the state of one key closer to the wanted state. Resolves with the milliseconds after which the key is reconciled again
   * without a change, or undefined when only a change calls for it. A rejection is retried with back-off.
   */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<number | undefined>;
}

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A control loop: a queue of keys, workers that reconcile them, and the metrics that dashboards for controller-runtime expect. */
export class Controller {
  readonly #options: ControllerOptions;
  readonly #queue: WorkQueue;
  readonly #metrics: ReturnType<typeof createMetrics>;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const { name, registry } = options;
    this.#queue = new WorkQueue({
      ...(options.maxDelayMs === undefined ? {} : { maxDelayMs: options.maxDelayMs }),
      observe: ({ waitedSeconds, workedSeconds }) => {
        this.#metrics.waited.observe({ name }, waitedSeconds);
        this.#metrics.duration.observe({ controller: name }, workedSeconds);
      },
      onFailure: (key, error, requeueAfterMs) => this.#failed(key, error, requeueAfterMs),
    });
    this.#metrics = createMetrics(registry, name, this.#queue);
  }

  /** Enqueues `key`. */
  add(key: string): void {
    this.#queue.add(key);
  }

  /** Resets the back-off of a key that no longer exists. */
  forget(key: string): void {
    this.#queue.forget(key);
  }

  /** Reconciles until `signal` aborts, then waits for the passes under way. */
  async run(signal: AbortSignal): Promise<void> {
    const { name, workers, reconcile } = this.#options;
    const handle = async (key: string, aborted: AbortSignal): Promise<number | undefined> => {
      const requeueAfterMs = await reconcile(key, aborted);
      this.#metrics.reconciles.inc({ controller: name, result: requeueAfterMs === undefined ? 'success' : 'requeue_after' });
      return requeueAfterMs;
    };
    await this.#queue.run(workers, handle, signal);
  }

  #failed(key: string, error: unknown, requeueAfterMs: number): void {
    const { name, log } = this.#options;
    this.#metrics.retries.inc({ name });
    if (error instanceof KubeError && error.stale) {
      this.#metrics.reconciles.inc({ controller: name, result: 'requeue_after' });
      log.debug({ controller: name, key, err: error, requeueAfterMs }, 'reconcile on stale state');
      return;
    }
    this.#metrics.reconciles.inc({ controller: name, result: 'error' });
    this.#metrics.errors.inc({ controller: name });
    log.warn({ controller: name, key, err: error, requeueAfterMs }, 'reconcile failed');
  }
}

/** Controllers of one process share the metrics of its registry; each has its own label. */
const shared = new WeakMap<Registry, ReturnType<typeof registerMetrics>>();

function createMetrics(registry: Registry, controller: string, queue: WorkQueue) {
  const metrics = shared.get(registry) ?? registerMetrics(registry);
  shared.set(registry, metrics);
  metrics.queues.set(controller, queue);
  // Series exist from the start, so that a rate starts at zero.
  for (const result of ['success', 'requeue_after', 'error']) metrics.reconciles.inc({ controller, result }, 0);
  metrics.errors.inc({ controller }, 0);
  metrics.retries.inc({ name: controller }, 0);
  return metrics;
}

function registerMetrics(registry: Registry) {
  const registers = [registry];
  const queues = new Map<string, WorkQueue>();
  const metrics = {
    queues,
    reconciles: new Counter({
      name: 'controller_runtime_reconcile_total',
      help: 'Reconciles by result.',
      labelNames: ['controller', 'result'],
      registers,
    }),
    errors: new Counter({
      name: 'controller_runtime_reconcile_errors_total',
      help: 'Reconciles that failed.',
      labelNames: ['controller'],
      registers,
    }),
    duration: new Histogram({
      name: 'controller_runtime_reconcile_time_seconds',
      help: 'Time of a reconcile.',
      labelNames: ['controller'],
      buckets: seconds,
      registers,
    }),
    waited: new Histogram({
      name: 'workqueue_queue_duration_seconds',
      help: 'Time that a key waited for a worker.',
      labelNames: ['name'],
      buckets: seconds,
      registers,
    }),
    retries: new Counter({
      name: 'workqueue_retries_total',
      help: 'Keys that were queued again after a failure.',
      labelNames: ['name'],
      registers,
    }),
  };
  new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Workers that are busy.',
    labelNames: ['controller'],
    registers,
    collect() {
      for (const [controller, queue] of queues) this.set({ controller }, queue.active);
    },
  });
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys that wait for a worker.',
    labelNames: ['name'],
    registers,
    collect() {
      for (const [name, queue] of queues) this.set({ name }, queue.depth);
    },
  });
  return metrics;
}

/** Counts requests to the Kubernetes API as client-go does. */
export function countRequests(registry: Registry): RequestObserver {
  const requests = new Counter({
    name: 'rest_client_requests_total',
    help: 'Requests to the Kubernetes API by method and status. Status 0 means no answer.',
    labelNames: ['method', 'code'],
    registers: [registry],
  });
  return (method, code) => requests.inc({ method, code });
}
