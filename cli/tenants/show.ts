import type { Tenant } from '../../control-plane/client/client.ts';
import { dataPolicyOf } from '../../crds/tenant.ts';
import { type Columns, properties, table } from '../output/table.ts';
import { ago, oneLine } from '../output/text.ts';
import { conditionsOf, type TenantWithEvents } from './wait.ts';

const readyOf = (tenant: Tenant): string => conditionsOf(tenant).find(({ type }) => type === 'Ready')?.status ?? 'Unknown';

/** Formats tenants, one a line. */
export function tenantTable(tenants: readonly Tenant[], now: Date): string {
  const columns: Columns<Tenant> = {
    NAME: ({ name }) => name,
    TEMPLATE: ({ spec }) => spec.template.name,
    PHASE: ({ status }) => status.phase ?? 'Pending',
    READY: readyOf,
    AGE: ({ createdAt }) => ago(createdAt, now),
    ENDPOINT: ({ status }) => status.endpoints?.mcp ?? '',
  };
  return table(tenants, columns);
}

/** The number of tools, and of operations that did not become a tool. */
function toolsLine(server: Tenant['status']['server']): string | undefined {
  if (server === undefined) return undefined;
  const { tools, operations, operationsLeftOut } = server;
  const left = operationsLeftOut === undefined ? '' : `; operations that became no tool: ${operationsLeftOut.count}`;
  return `${tools}${operations === undefined ? '' : `, from ${operations} operations`}${left}`;
}

/** Formats one tenant with all its details. */
export function tenantPage(tenant: Tenant | TenantWithEvents, now: Date): string {
  const { spec, status } = tenant;
  const blocks = [
    properties({
      Name: tenant.name,
      'Display name': spec.displayName,
      Phase: `${status.phase ?? 'Pending'}${tenant.deletedAt === undefined ? '' : ` since ${tenant.deletedAt}`}`,
      Template: `${spec.template.name}${status.template === undefined ? '' : ` ${status.template.revision}`}`,
      Organization: spec.organizationId ?? 'none: only API keys work',
      MCP: status.endpoints?.mcp,
      API: status.endpoints?.api,
      Tools: toolsLine(status.server),
      Database: status.database === undefined ? undefined : `${status.database.name} on ${status.database.server}`,
      'On deletion': `data is ${(tenant.effectiveDeletionPolicy ?? dataPolicyOf(spec)) === 'delete' ? 'deleted' : 'kept'}`,
      Labels: Object.entries(tenant.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(', '),
      'Secrets rotated': status.secrets?.lastRotation === undefined ? undefined : `${ago(status.secrets.lastRotation, now)} ago`,
      Age: ago(tenant.createdAt, now),
    }),
  ];
  const conditions = conditionsOf(tenant);
  if (conditions.length > 0)
    blocks.push(
      table(conditions, {
        CONDITION: ({ type }) => type,
        STATUS: (condition) => condition.status,
        REASON: ({ reason }) => reason,
        SINCE: ({ lastTransitionTime }) => ago(lastTransitionTime, now),
        MESSAGE: ({ message }) => message,
      }),
    );
  if ((status.domains ?? []).length > 0)
    blocks.push(
      table(status.domains ?? [], { DOMAIN: ({ domain }) => domain, STATE: ({ state }) => state, MESSAGE: ({ message }) => message }),
    );
  const events = 'events' in tenant ? tenant.events.slice(0, 10) : [];
  if (events.length > 0)
    blocks.push(
      table(events, {
        EVENT: ({ reason }) => reason,
        TYPE: ({ type }) => type,
        AGO: ({ lastSeenAt }) => ago(lastSeenAt, now),
        COUNT: ({ count }) => count,
        MESSAGE: ({ message }) => message,
      }),
    );
  return blocks.join('\n');
}

/** Formats a change of one tenant in one line. */
export function changeLine(type: 'added' | 'changed' | 'deleted', tenant: Tenant, now: Date): string {
  const ready = conditionsOf(tenant).find((condition) => condition.type === 'Ready');
  const words = [
    now.toISOString().slice(11, 19),
    type.padEnd(8),
    tenant.name.padEnd(24),
    (tenant.status.phase ?? 'Pending').padEnd(13),
    ready?.message ?? '',
  ];
  return `${words
    .map(oneLine)
    .map((word, index) => word.padEnd(words[index]?.length ?? 0))
    .join(' ')
    .trimEnd()}\n`;
}
