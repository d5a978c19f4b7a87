import { z } from 'zod';
import type { TenantSpec, TenantStatus } from '../../crds/tenant.ts';
import type { Connection } from '../config/connection.ts';
import { Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';
import { causeOf } from './cause.ts';
import type { ControlPlaneView, KnownTenant } from './scene.ts';

export interface ControlPlaneTenant {
  readonly tenant: KnownTenant | undefined;
  /** Why the control plane did not return the tenant. */
  readonly because: string;
  /** Whether the control plane answered that the tenant does not exist. */
  readonly missing?: boolean;
}

const timeoutMs = 10_000;
const authConfig = z.object({ authorizationServer: z.string() });
const representation = z.looseObject({
  name: z.string(),
  generation: z.number().optional(),
  createdAt: z.string().optional(),
  deletedAt: z.string().optional(),
  spec: z.looseObject({ template: z.looseObject({ name: z.string() }) }),
  status: z.looseObject({}),
});

/** Public endpoints of the control plane, read without a token. */
export function controlPlaneView(connection: Connection | undefined, signal: AbortSignal): ControlPlaneView {
  const get = (path: string): Promise<Response> =>
    fetch(`${connection?.url}${path}`, { redirect: 'error', signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) });
  return {
    url: connection?.url,
    ready: async () => {
      const response = await get('/readyz');
      return { status: response.status, text: await response.text() };
    },
    issuer: async () => {
      if (connection === undefined) return undefined;
      try {
        const response = await get('/v1/auth/config');
        return authConfig.parse(await response.json()).authorizationServer;
      } catch {
        signal.throwIfAborted();
        // The control plane link reports this fault.
        return undefined;
      }
    },
  };
}

/** The tenant from the control plane. An unavailable control plane is a result, not a failure. */
export async function controlPlaneTenant(
  invocation: Invocation,
  connection: Connection | undefined,
  name: string,
): Promise<ControlPlaneTenant> {
  const { signal } = invocation.terminal;
  if (connection === undefined) return { tenant: undefined, because: 'no control plane is configured' };
  try {
    const token = await invocation.token(connection);
    if (token === undefined) return { tenant: undefined, because: `not signed in at ${connection.url}` };
    const response = await fetch(`${connection.url}/admin/tenants/${encodeURIComponent(name)}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const body: unknown = await response.json().catch(() => undefined);
    if (response.status === 404) return { tenant: undefined, because: `${connection.url} has no tenant ${name}`, missing: true };
    const parsed = representation.safeParse(body);
    if (!response.ok || !parsed.success) return { tenant: undefined, because: `${connection.url} answered ${response.status}` };
    const { generation, createdAt, deletedAt, spec, status } = parsed.data;
    return {
      because: '',
      tenant: {
        name,
        source: 'control plane',
        generation,
        createdAt,
        deletedAt,
        paused: false,
        // The schema checks the fields that the walk needs. The type has the others as optional.
        spec: spec as unknown as TenantSpec,
        status: status as unknown as TenantStatus,
      },
    };
  } catch (error) {
    signal.throwIfAborted();
    return {
      tenant: undefined,
      because: error instanceof Failure ? error.message : `${connection.url} does not answer: ${causeOf(error)}`,
    };
  }
}
