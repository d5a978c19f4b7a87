import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Metrics of the process and of tenants; those of the control loop are in kube/controller.ts. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    ready: new Gauge({ name: 'tenantry_tenant_ready', help: '1 while the tenant is Ready.', labelNames: ['tenant'], registers }),
    rotations: new Counter({
      name: 'tenantry_secret_rotations_total',
      help: "Rotations of tenants' secrets that were finished, by cause.",
      labelNames: ['cause'],
      registers,
    }),
    provisioning: new Histogram({
      name: 'tenantry_tenant_provisioning_seconds',
      help: 'From creation of a Tenant to its first Ready.',
      buckets: [1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300, 600],
      registers,
    }),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
