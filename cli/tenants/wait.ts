import { setTimeout as delay } from 'node:timers/promises';
import type { AdminApiClient, Schemas } from '../../control-plane/client/client.ts';
import type { Condition } from '../../crds/conditions.ts';
import { isTrue, remedyOf } from '../../crds/conditions.ts';
import { bodyOf } from '../admin-api.ts';
import { Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';
import { oneLine } from '../output/text.ts';

export type TenantWithEvents = Schemas['TenantWithEvents'];

const pollMs = 1_000;

export interface WaitOptions {
  readonly seconds: number;
  /** Text after the tenant's name in the error message, such as "is not Ready". */
  readonly goal: string;
}

/**
 * Polls the tenant until it satisfies `condition`, which gets undefined for a deleted tenant. Each change of a condition is printed.
 * Polling continues while the control plane is unavailable. It stops when the tenant is Stalled, because only a person can resolve that.
 * @throws Failure timedOut, notFound, faultFound
 */
export async function waitFor(
  invocation: Invocation,
  api: AdminApiClient,
  name: string,
  condition: (tenant: TenantWithEvents | undefined) => boolean,
  { seconds, goal }: WaitOptions,
): Promise<TenantWithEvents | undefined> {
  const { signal, now } = invocation.terminal;
  const deadline = now().getTime() + seconds * 1000;
  const told = new Map<string, string>();
  let last: TenantWithEvents | undefined;
  for (;;) {
    const found = await look(api, name);
    if (found !== 'away') {
      last = found;
      tell(invocation, last, told);
      if (condition(last)) return last;
      const stall = stallOf(last);
      if (stall !== undefined)
        throw new Failure('faultFound', `Tenant ${name} ${goal}. ${stall.reason}: ${stall.message}`, {
          details: wanting(last),
          remedy: remedyOf('Stalled', stall.reason) ?? `tenantry diagnose ${name}`,
        });
      if (last === undefined) throw new Failure('notFound', `Tenant ${name} is gone.`);
    }
    if (now().getTime() > deadline)
      throw new Failure('timedOut', `Tenant ${name} ${goal} within ${seconds} s.`, {
        details: wanting(last),
        remedy: `What holds it up: tenantry diagnose ${name}`,
      });
    await delay(pollMs, undefined, { signal });
  }
}

/** Whether the operator has observed the newest spec. */
const isObserved = (tenant: TenantWithEvents | undefined): boolean => tenant?.status.observedGeneration === tenant?.generation;

/**
 * Whether the operator has observed the newest spec and no roll-out or migration is running. Follows the rules of
 * https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
 */
export const isSettled = (tenant: TenantWithEvents | undefined): boolean =>
  isObserved(tenant) && conditionsOf(tenant).some(({ type, status }) => type === 'Reconciling' && status === 'False');

/** Whether the tenant is Ready with its newest spec, settled and not Stalled. */
export const isReady = (tenant: TenantWithEvents | undefined): boolean =>
  isTrue(conditionsOf(tenant), 'Ready') && !isTrue(conditionsOf(tenant), 'Stalled') && isSettled(tenant);

/** Whether all pods of the tenant have stopped. */
export const isSuspended = (tenant: TenantWithEvents | undefined): boolean =>
  isSettled(tenant) && conditionsOf(tenant).some(({ type, reason }) => type === 'WorkloadAvailable' && reason === 'Suspended');

function stallOf(tenant: TenantWithEvents | undefined): Condition | undefined {
  if (!isObserved(tenant)) return undefined;
  return conditionsOf(tenant).find(({ type, status }) => type === 'Stalled' && status === 'True');
}

export const conditionsOf = (
  tenant: { readonly status: { readonly conditions?: readonly Condition[] } } | undefined,
): readonly Condition[] => tenant?.status.conditions ?? [];

async function look(api: AdminApiClient, name: string): Promise<TenantWithEvents | undefined | 'away'> {
  try {
    return await bodyOf(api.GET('/admin/tenants/{name}', { params: { path: { name } } }));
  } catch (error) {
    if (error instanceof Failure && error.outcome === 'notFound') return undefined;
    if (error instanceof Failure && error.outcome === 'unavailable') return 'away';
    throw error;
  }
}

function tell({ printer }: Invocation, tenant: TenantWithEvents | undefined, told: Map<string, string>): void {
  for (const { type, status, reason, message } of conditionsOf(tenant)) {
    const line = `${status} ${reason}`;
    if (told.get(type) === line) continue;
    told.set(type, line);
    if (type === 'Reconciling' || (type === 'Stalled' && status !== 'True')) continue;
    printer.note(`${type.padEnd(20)} ${status.padEnd(8)} ${oneLine(reason)}: ${oneLine(message)}`);
  }
}

function wanting(tenant: TenantWithEvents | undefined): string[] {
  return conditionsOf(tenant)
    .filter(({ type, status }) => status !== 'True' && !['Stalled', 'Reconciling', 'Ready'].includes(type))
    .map(({ type, status, reason, message }) => `${type}=${status} (${reason}): ${message}`);
}
