import { Counter, Gauge, type Registry } from 'prom-client';

/** The metrics of the audit. */
export function createAuditMetrics(registry: Registry) {
  const registers = [registry];
  return {
    contradictions: new Gauge({
      name: 'tenantry_audit_contradictions',
      help: 'Chains that contradict their signed heads at the last check of the leading replica: the database was tampered with or restored.',
      registers,
    }),
    signedHeads: new Counter({ name: 'tenantry_audit_signed_heads_total', help: 'Signed heads of chains.', registers }),
    refusedRecords: new Counter({
      name: 'tenantry_audit_refused_records_total',
      help: 'Malformed records of sidecars and the operator. Their senders move them to the dead letters.',
      registers,
    }),
    postponed: new Counter({
      name: 'tenantry_audit_postponed_total',
      help: 'Batches answered with 429 because a tenant exceeded its rate. Its pods send them again.',
      registers,
    }),
    failures: new Counter({
      name: 'tenantry_audit_upkeep_failures_total',
      help: 'Failed signings and removals. They are retried.',
      registers,
    }),
  };
}

export type AuditMetrics = ReturnType<typeof createAuditMetrics>;
