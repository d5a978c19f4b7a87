import type { Fault } from '../../crds/parameters.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import { errorsOf } from '../http/problem.ts';
import { type Admin, canSee } from '../identity/admins.ts';

/** Fields of a tenant that its own administrators may change. */
export const ownFields: readonly string[] = ['displayName', 'parameters', 'services', 'tools', 'domains', 'suspended'];

/** @throws Problem tenant-not-found. The answer is the same for a foreign tenant and for one that does not exist. */
export function visible(admin: Admin, name: string, tenant: Tenant | undefined): Tenant {
  if (tenant !== undefined && canSee(admin, tenant)) return tenant;
  throw new Problem('tenant-not-found', `No tenant named ${name} was found.`);
}

/** @throws Problem forbidden, which names the fields that only administrators of the platform may change. */
export function requireOwnFields(admin: Admin, fields: Readonly<Record<string, unknown>>): void {
  if (admin.platform) return;
  const faults: Fault[] = Object.keys(fields)
    .filter((field) => !ownFields.includes(field))
    .map((field) => ({ pointer: `/${field}`, message: 'may be changed only by administrators of the platform' }));
  if (faults.length === 0) return;
  const named = faults.map(({ pointer }) => pointer.slice(1)).join(', ');
  throw new Problem(
    'forbidden',
    `Only administrators of the platform may change ${named}. Administrators of a tenant may change ${ownFields.join(', ')}.`,
    {
      errors: errorsOf(faults),
    },
  );
}

/** Only administrators of the platform may take over fields of another field manager. @throws Problem forbidden */
export function requirePlatformToForce(admin: Admin): void {
  if (admin.platform) return;
  throw new Problem('forbidden', 'Only administrators of the platform may force a change.', {
    remedy: 'Ask an administrator of the platform to make the change.',
  });
}
