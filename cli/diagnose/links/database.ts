import { type Condition, isStall, remedyOf } from '../../../crds/conditions.ts';
import { namespaceOf } from '../../../crds/names.ts';
import { kinds } from '../../../kube/resources.ts';
import type { Cluster, Pod } from '../cluster.ts';
import type { Commands } from '../commands.ts';
import { broken, type Link, notChecked, ok } from '../link.ts';
import type { KnownTenant } from '../scene.ts';

const logLines = 8;

/** The condition DatabaseReady, if it is not True. */
export function databaseFault(tenant: KnownTenant): Condition | undefined {
  return tenant.status.conditions?.find(({ type, status }) => type === 'DatabaseReady' && status !== 'True');
}

/** Checks that the tenant's database exists and is migrated. The status decides, because only the pods and the operator can connect. */
export const databaseLink: Link = {
  name: 'database',
  needs: [],
  async check({ tenant, cluster, commands, unknownBecause }) {
    if (tenant === undefined) return notChecked(unknownBecause);
    const condition = tenant.status.conditions?.find(({ type }) => type === 'DatabaseReady');
    if (condition === undefined) return notChecked('the operator has not come to it yet');
    const where = tenant.status.database;
    const seen = [
      `DatabaseReady=${condition.status} (${condition.reason}): ${condition.message}`,
      ...(where ? [`${where.name} on server ${where.server}`] : []),
    ];
    if (condition.status === 'True') return ok(...seen);
    const logs = cluster !== undefined && condition.reason.startsWith('Migrat') ? await migrationLog(cluster, tenant.name) : [];
    const remedy = remedyOf('DatabaseReady', condition.reason) ?? 'Read the log of the operator.';
    const looking = lookInto(condition.reason, tenant.name, commands);
    return broken(`${condition.reason}: ${condition.message}`, remedy, [...seen, ...logs], looking);
  },
};

/** Commands that show more than the condition does. */
function lookInto(reason: string, tenant: string, commands: Commands): string[] {
  if (reason === 'MigrationFailed')
    return [
      commands.kubectl('logs', '--namespace', namespaceOf(tenant), '--selector', 'app.kubernetes.io/component=migration', '--tail', '50'),
    ];
  return isStall(reason) ? [] : [commands.log('operator')];
}

async function migrationLog(cluster: Cluster, tenant: string): Promise<string[]> {
  const pods = (await cluster.list<Pod>(kinds.Pod, tenant)).filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ kind }) => kind === 'Job'),
  );
  const last = pods.sort((a, b) => (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? '')).at(-1);
  const container = last?.status?.containerStatuses?.[0]?.name;
  if (last === undefined || container === undefined) return [];
  const text = await cluster.log(tenant, last.metadata.name, container, { lines: logLines });
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => `${container} | ${line.slice(0, 500)}`);
}
