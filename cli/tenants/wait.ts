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
  /** What is waited for, in words that go on from "tenant acme ". */
  readonly goal: string;
}

/**
 * Reads the tenant again and again until it satisfies `condition`; undefined stands for one that is gone. Each condition is told as it
 * changes. A control plane that is away for a moment is waited for, too. A tenant that is Stalled is not waited for: only a person can end
 * that.
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

/** Whether the operator has taken the newest spec into account. */
const isObserved = (tenant: TenantWithEvents | undefined): boolean => tenant?.status.observedGeneration === tenant?.generation;

/**
 * Whether nothing is left to do: the spec is the newest, and no roll-out or migration is under way. By the rules of
 * https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus
 */
export const isSettled = (tenant: TenantWithEvents | undefined): boolean =>
  isObserved(tenant) && conditionsOf(tenant).some(({ type, status }) => type === 'Reconciling' && status === 'False');

/** Whether the tenant is Ready as its spec is now, with nothing left to do. */
export const isReady = (tenant: TenantWithEvents | undefined): boolean =>
  isTrue(conditionsOf(tenant), 'Ready') && !isTrue(conditionsOf(tenant), 'Stalled') && isSettled(tenant);

/** Whether no pod of the tenant is left to stop. */
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
