import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditTrail } from './audit/audit-trail.ts';
import type { RefusalReason } from './http/refusal.ts';
import type { Outcome } from './tools/tool-call.ts';

/** Labels stay few because every tenant has a sidecar: durations are not kept by tool. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const buckets = [0.005, 0.025, 0.1, 0.5, 2.5, 10];
  return {
    registry,
    requests: new Counter<'route' | 'method' | 'status'>({
      name: 'tenantry_mcp_requests_total',
      help: 'HTTP requests by route, JSON-RPC method and status.',
      labelNames: ['route', 'method', 'status'],
      registers,
    }),
    duration: new Histogram<'route'>({
      name: 'tenantry_mcp_request_duration_seconds',
      help: 'Time to answer an HTTP request, by route.',
      labelNames: ['route'],
      buckets,
      registers,
    }),
    toolCalls: new Counter<'tool' | 'outcome'>({
      name: 'tenantry_mcp_tool_calls_total',
      help: 'Tool calls by tool and outcome.',
      labelNames: ['tool', 'outcome'],
      registers,
    }),
    toolDuration: new Histogram<'outcome'>({
      name: 'tenantry_mcp_tool_call_duration_seconds',
      help: 'Time of a tool call, by outcome.',
      labelNames: ['outcome'],
      buckets,
      registers,
    }),
    refusals: new Counter<'reason'>({
      name: 'tenantry_mcp_auth_failures_total',
      help: 'Refused requests by reason.',
      labelNames: ['reason'],
      registers,
    }),
    /** Records of tool calls that are not yet at the control plane. */
    watchAudit(audit: AuditTrail) {
      new Gauge({
        name: 'tenantry_mcp_audit_spool_bytes',
        help: 'Bytes of records on disk that the control plane has not taken; at seven eighths of 48 MiB no tool is called.',
        registers,
        collect() {
          this.set(audit.bytes);
        },
      });
      new Counter({
        name: 'tenantry_mcp_audit_refused_total',
        help: 'Records that the control plane will never take: set aside in refused.jsonl beside the spool.',
        registers,
        collect() {
          this.reset();
          this.inc(audit.refused);
        },
      });
      new Gauge({
        name: 'tenantry_mcp_audit_oldest_record_age_seconds',
        help: 'Age of the oldest record that the control plane has not taken; 0 without one.',
        registers,
        async collect() {
          this.set(await audit.oldestSeconds());
        },
      });
    },
    countRefusal(reason: RefusalReason) {
      this.refusals.inc({ reason });
    },
    countCall(tool: string, outcome: Outcome, seconds: number) {
      this.toolCalls.inc({ tool, outcome });
      this.toolDuration.observe({ outcome }, seconds);
    },
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
