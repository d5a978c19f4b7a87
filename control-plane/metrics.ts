import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Metrics of the process, of HTTP and of requests to WorkOS. The metrics of the control loop are in kube/controller.ts. */
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
    provider: new Counter({
      name: 'tenantry_workos_requests_total',
      help: 'Requests to WorkOS by outcome.',
      labelNames: ['operation', 'outcome'],
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
