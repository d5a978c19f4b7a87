import { annotations } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { Admin } from '../identity/admins.ts';
import { isStillOwn } from './ownership.ts';

export const suspenders = ['platform', 'tenant'] as const;
export type Suspender = (typeof suspenders)[number];

/**
 * Who has suspended a tenant; undefined where nobody has. What is not known to be of the tenant's own administrators is the platform's:
 * kubectl's too, which resumes and suspends without a word about the mark that it finds.
 */
export function suspenderOf(tenant: Tenant): Suspender | undefined {
  if (tenant.spec.suspended !== true) return undefined;
  const marked = tenant.metadata.annotations?.[annotations.suspendedBy] === 'tenant';
  return marked && isStillOwn(tenant, 'suspended') ? 'tenant' : 'platform';
}

/**
 * The annotations that go with a change of `suspended`, so that a tenant's administrators resume what they have suspended and no more.
 * @throws Problem suspended-by-platform
 */
export function suspensionMarks(admin: Admin, current: Tenant, spec: Readonly<Record<string, unknown>>): Record<string, string | null> {
  if (!('suspended' in spec)) return {};
  const [suspender, suspended] = [suspenderOf(current), spec['suspended'] === true];
  if (!admin.platform && suspender === 'platform') {
    // It stays the platform's, whoever else would have it suspended.
    if (suspended) return {};
    const { name } = current.metadata;
    throw new Problem('suspended-by-platform', `The platform has suspended ${name}.`);
  }
  const mark = suspended && !admin.platform ? 'tenant' : null;
  return mark === (current.metadata.annotations?.[annotations.suspendedBy] ?? null) ? {} : { [annotations.suspendedBy]: mark };
}
