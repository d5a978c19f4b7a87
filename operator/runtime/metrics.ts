import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { OperatorAudit } from './audit.ts';

/** Metrics of the process and of tenants. The metrics of the control loop are in kube/controller.ts. */
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
    /** Metrics of the audit records that have not reached the control plane. */
    watchAudit(audit: Pick<OperatorAudit, 'bytes' | 'refused' | 'lost'>) {
      new Gauge({
        name: 'tenantry_operator_audit_spool_bytes',
        help: 'Bytes of records on disk that the control plane has not taken.',
        registers,
        collect() {
          this.set(audit.bytes);
        },
      });
      new Counter({
        name: 'tenantry_operator_audit_refused_total',
        help: 'Records that the control plane will never take: set aside in refused.jsonl beside the spool.',
        registers,
        collect() {
          this.reset();
          this.inc(audit.refused);
        },
      });
      new Counter({
        name: 'tenantry_operator_audit_lost_total',
        help: 'Records that there was no room for on disk: they are in the log alone.',
        registers,
        collect() {
          this.reset();
          this.inc(audit.lost);
        },
      });
    },
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
