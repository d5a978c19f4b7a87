import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The metrics of a controller, under the names that dashboards for controller-runtime expect; present from the start. */
export function createMetrics(controller: string, queueDepth: () => number, active: () => number) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
  const metrics = {
    registry,
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
    requests: new Counter({
      name: 'rest_client_requests_total',
      help: 'Requests to the Kubernetes API by method and status; status 0 where there was no answer.',
      labelNames: ['method', 'code'],
      registers,
    }),
    ready: new Gauge({ name: 'tenantry_tenant_ready', help: '1 while the tenant is Ready.', labelNames: ['tenant'], registers }),
    provisioning: new Histogram({
      name: 'tenantry_tenant_provisioning_seconds',
      help: 'From creation of a Tenant to its first Ready.',
      buckets: [1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 600],
      registers,
    }),
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
      this.set({ name: controller }, queueDepth());
    },
  });
  for (const result of ['success', 'requeue_after', 'error']) metrics.reconciles.inc({ controller, result }, 0);
  metrics.errors.inc({ controller }, 0);
  metrics.retries.inc({ name: controller }, 0);
  return metrics;
}

export type Metrics = ReturnType<typeof createMetrics>;
