import { z } from 'zod';
import { type Tenant, tenantName, tenantSpec, tenantStatus } from '../../crds/tenant.ts';

/** Body of `POST /admin/tenants`: the name, and the fields of the spec beside it. */
export const newTenant = z
  .strictObject({ name: tenantName.describe('Unique, immutable; part of the URLs.'), ...tenantSpec.shape })
  .meta({ id: 'NewTenant' });

/** Body of `PATCH`, a JSON merge patch: what it does not name stays, null removes. Checked after it has been applied. */
export const tenantPatch = z
  .record(z.string(), z.unknown())
  .describe('JSON merge patch (RFC 7396) of the fields of `spec`.')
  .meta({ id: 'TenantPatch' });

export const tenantRepresentation = z
  .object({
    name: z.string(),
    uid: z.string().describe('Never used again, not even by a tenant of the same name.'),
    resourceVersion: z.string().describe('Changes with every change, of the status too; also in ETag.'),
    generation: z.int().describe('Grows with every change of the spec.'),
    createdAt: z.string().meta({ format: 'date-time' }),
    deletedAt: z.string().optional().describe('Since when it is being deleted.').meta({ format: 'date-time' }),
    spec: tenantSpec,
    status: tenantStatus,
  })
  .meta({ id: 'Tenant' });

export const tenantList = z
  .object({ items: z.array(tenantRepresentation), nextCursor: z.string().optional().describe('Asks for the next page.') })
  .meta({ id: 'TenantList' });

/** A Tenant as the Admin API shows it. */
export function represent({ metadata, spec, status }: Tenant) {
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    createdAt: metadata.creationTimestamp ?? '',
    ...(metadata.deletionTimestamp === undefined ? {} : { deletedAt: metadata.deletionTimestamp }),
    spec,
    status: status ?? {},
  };
}

export function etagOf(tenant: Tenant): string {
  return `"${tenant.metadata.resourceVersion ?? ''}"`;
}
