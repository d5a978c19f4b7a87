import { Counter, Gauge, type Registry } from 'prom-client';

/** What an operator of the installation should hear of. */
export function createAuditMetrics(registry: Registry) {
  const registers = [registry];
  return {
    contradictions: new Gauge({
      name: 'tenantry_audit_contradictions',
      help: 'Chains that contradict their signed heads, as the leading replica found last: somebody has tampered with the database.',
      registers,
    }),
    signedHeads: new Counter({ name: 'tenantry_audit_signed_heads_total', help: 'Heads of chains that were signed.', registers }),
    refusedRecords: new Counter({
      name: 'tenantry_audit_refused_records_total',
      help: 'Records of sidecars and the operator that are malformed: their senders set them aside.',
      registers,
    }),
    postponed: new Counter({
      name: 'tenantry_audit_postponed_total',
      help: 'Batches of tenants that send more than they may, answered 429: their pods send them again.',
      registers,
    }),
    failures: new Counter({
      name: 'tenantry_audit_upkeep_failures_total',
      help: 'Signings and removals that failed and are tried again.',
      registers,
    }),
  };
}

export type AuditMetrics = ReturnType<typeof createAuditMetrics>;
