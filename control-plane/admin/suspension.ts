import { annotations } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { Admin } from '../identity/admins.ts';
import { isStillOwn } from './ownership.ts';

export const suspenders = ['platform', 'tenant'] as const;
export type Suspender = (typeof suspenders)[number];

/**
 * The suspender of a tenant; undefined for a tenant that is not suspended. A suspension counts as the platform's unless the tenant's own
 * administrators are known to have made it. A change with kubectl leaves the annotation as it is, so it counts as the platform's.
 */
export function suspenderOf(tenant: Tenant): Suspender | undefined {
  if (tenant.spec.suspended !== true) return undefined;
  const marked = tenant.metadata.annotations?.[annotations.suspendedBy] === 'tenant';
  return marked && isStillOwn(tenant, 'suspended') ? 'tenant' : 'platform';
}

/**
 * Annotations that record the suspender with a change of `suspended`. A tenant's administrators can resume only their own suspensions.
 * @throws Problem suspended-by-platform
 */
export function suspensionMarks(admin: Admin, current: Tenant, spec: Readonly<Record<string, unknown>>): Record<string, string | null> {
  if (!('suspended' in spec)) return {};
  const [suspender, suspended] = [suspenderOf(current), spec['suspended'] === true];
  if (!admin.platform && suspender === 'platform') {
    // A second suspension by the tenant's administrators does not make it theirs.
    if (suspended) return {};
    const { name } = current.metadata;
    throw new Problem('suspended-by-platform', `The platform has suspended ${name}.`);
  }
  const mark = suspended && !admin.platform ? 'tenant' : null;
  return mark === (current.metadata.annotations?.[annotations.suspendedBy] ?? null) ? {} : { [annotations.suspendedBy]: mark };
}
