import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Metrics of the process, of HTTP and of requests to WorkOS. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    requests: new Histogram({
      name: 'http_request_duration_seconds',
      help: 'Time to answer a request, by route pattern.',
      labelNames: ['method', 'route', 'status_code'],
      buckets: seconds,
      registers,
    }),
    kubernetes: new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the Kubernetes API by status; 0 without an answer.',
      labelNames: ['code', 'method'],
      registers,
    }),
    provider: new Counter({
      name: 'tenantry_workos_requests_total',
      help: 'Requests to WorkOS by outcome.',
      labelNames: ['operation', 'outcome'],
      registers,
    }),
  };
}

/** Metrics of a controller under the names that dashboards for controller-runtime expect; present from the start. */
export function createControllerMetrics(registry: Registry, controller: string, depth: () => number, active: () => number) {
  const registers = [registry];
  const metrics = {
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
      help: 'Time a key waited for a worker.',
      labelNames: ['name'],
      buckets: seconds,
      registers,
    }),
    retries: new Counter({ name: 'workqueue_retries_total', help: 'Keys put back after a failure.', labelNames: ['name'], registers }),
  };
  new Gauge({
    name: 'controller_runtime_active_workers',
    help: 'Workers that are busy.',
    labelNames: ['controller'],
    registers,
    collect() {
      this.set({ controller }, active());
    },
  });
  new Gauge({
    name: 'workqueue_depth',
    help: 'Keys waiting.',
    labelNames: ['name'],
    registers,
    collect() {
      this.set({ name: controller }, depth());
    },
  });
  for (const result of ['success', 'requeue_after', 'error']) metrics.reconciles.inc({ controller, result }, 0);
  metrics.errors.inc({ controller }, 0);
  metrics.retries.inc({ name: controller }, 0);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;
export type ControllerMetrics = ReturnType<typeof createControllerMetrics>;
