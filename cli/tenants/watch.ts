import { setTimeout as delay } from 'node:timers/promises';
import type { AdminApiClient, Tenant } from '../../control-plane/client/client.ts';
import type { paths } from '../../control-plane/client/schema.ts';
import { bodyOf } from '../admin-api.ts';
import { Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';
import { changeLine } from './show.ts';

const pollMs = 2_000;

/** Which tenants are listed, and in which order. */
export type Filter = Omit<NonNullable<paths['/admin/tenants']['get']['parameters']['query']>, 'limit' | 'cursor'>;

/** Fetches all tenants that match a filter, page by page. */
export async function allTenants(api: AdminApiClient, filter: Filter): Promise<Tenant[]> {
  const all: Tenant[] = [];
  let cursor: string | undefined;
  do {
    const query = { ...filter, limit: 500, ...(cursor === undefined ? {} : { cursor }) };
    const { items, nextCursor } = await bodyOf(api.GET('/admin/tenants', { params: { query } }));
    all.push(...items);
    cursor = nextCursor;
  } while (cursor !== undefined);
  return all;
}

/** Prints every change until Ctrl-C. If the control plane is unavailable, it prints one note and keeps polling. */
export async function watchTenants(invocation: Invocation, look: () => Promise<readonly Tenant[]>): Promise<void> {
  const { printer, terminal } = invocation;
  let known = new Map<string, Tenant>();
  let away = false;
  const tell = (type: 'added' | 'changed' | 'deleted', tenant: Tenant): void =>
    printer.next({ type, tenant }, () => changeLine(type, tenant, terminal.now()));
  for (;;) {
    try {
      const current = new Map((await look()).map((tenant) => [tenant.uid, tenant]));
      away = false;
      for (const [uid, tenant] of known) if (!current.has(uid)) tell('deleted', tenant);
      for (const [uid, tenant] of current) {
        const before = known.get(uid);
        if (before === undefined) tell('added', tenant);
        else if (before.resourceVersion !== tenant.resourceVersion) tell('changed', tenant);
      }
      known = current;
    } catch (error) {
      if (!(error instanceof Failure && error.outcome === 'unavailable')) throw error;
      if (!away) printer.note(`${error.message} Waiting for it.`);
      away = true;
    }
    await delay(pollMs, undefined, { signal: terminal.signal });
  }
}
