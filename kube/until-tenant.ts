import { type Condition, isTrue } from '../crds/conditions.ts';
import type { Tenant } from '../crds/tenant.ts';
import type { KubeClient } from './client.ts';
import { Reflector } from './reflector.ts';
import { kinds } from './resources.ts';

/** Waits until a Tenant satisfies `condition` and reports every change on the way. */
export async function untilTenant(
  client: KubeClient,
  name: string,
  condition: (tenant: Tenant | undefined) => boolean,
  options: { timeoutMs: number; signal?: AbortSignal; onChange?: (tenant: Tenant | undefined, previous: Tenant | undefined) => void },
): Promise<Tenant | undefined> {
  const over = new AbortController();
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([over.signal, deadline, ...(options.signal ? [options.signal] : [])]);
  let latest: Tenant | undefined;
  const { promise, resolve, reject } = Promise.withResolvers<Tenant | undefined>();
  const tell = (current: Tenant | undefined, previous: Tenant | undefined): void => {
    latest = current;
    options.onChange?.(current, previous);
    if (condition(current)) resolve(current);
  };
  const reflector = new Reflector<Tenant>({
    client,
    resource: kinds.Tenant,
    fieldSelector: `metadata.name=${name}`,
    onChange: (_key, current, previous) => tell(current, previous),
  });
  signal.addEventListener('abort', () =>
    reject(
      deadline.aborted
        ? new Error(`tenant ${name} did not reach the expected state within ${options.timeoutMs / 1000} s: ${explain(latest)}`)
        : signal.reason,
    ),
  );
  try {
    await Promise.race([reflector.start(signal), promise]);
    if (reflector.get(name) === undefined) tell(undefined, undefined);
    return await promise;
  } finally {
    over.abort();
    promise.catch(() => {});
  }
}

export const isReady = (tenant: Tenant | undefined): boolean =>
  isTrue(tenant?.status?.conditions, 'Ready') && tenant?.status?.observedGeneration === tenant?.metadata.generation;

/** The conditions that keep a tenant from being ready, with their messages. */
function explain(tenant: Tenant | undefined): string {
  if (!tenant) return 'the tenant does not exist';
  const wanting = (tenant.status?.conditions ?? []).filter(
    (c: Condition) => c.status !== 'True' && !['Stalled', 'Reconciling', 'Ready'].includes(c.type),
  );
  return wanting.map((c) => `${c.type}=${c.status} (${c.reason}: ${c.message})`).join('; ') || 'it has no status yet';
}
