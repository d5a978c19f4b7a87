import { z } from 'zod';
import { dataFateOf, dataFates } from '../../crds/deletion.ts';
import { lineOf } from '../../crds/schema.ts';
import { type Tenant, tenantName, tenantSpec, tenantStatus } from '../../crds/tenant.ts';
import { type Demand, digestOf } from '../http/entity-tags.ts';
import type { TenantEvent } from './events.ts';
import { labels } from './labels.ts';
import { mergePatchSchema } from './patch-schema.ts';
import { suspenderOf, suspenders } from './suspension.ts';

// One component each in the OpenAPI document, wherever they are used.
z.globalRegistry.add(tenantSpec, { ...tenantSpec.meta(), id: 'TenantSpec' });
z.globalRegistry.add(tenantStatus, { ...tenantStatus.meta(), id: 'TenantStatus' });

const { organization: _storedOrganization, ...fields } = tenantSpec.shape;

const newOrganization = z
  .strictObject({
    name: lineOf(200).min(1).describe('Name of the organization at WorkOS.'),
    admin: z
      .strictObject({ email: z.email().max(254).describe('Who is invited as first administrator of the tenant.') })
      .optional()
      .describe('First administrator of the tenant.'),
  })
  .describe('Instead of organizationId: an organization that is created at WorkOS for this tenant.');

/** Body of `POST /admin/tenants`: the name, labels, and the fields of the spec beside them. */
export const newTenant = z
  .strictObject({
    name: tenantName.describe('Unique, immutable; part of the URLs.'),
    labels: labels.optional(),
    ...fields,
    organization: newOrganization.optional(),
  })
  .refine(({ organization, organizationId }) => organization === undefined || organizationId === undefined, {
    path: ['organization'],
    message: 'and organizationId exclude each other',
  })
  .meta({ id: 'NewTenant' });

const changeable = z.strictObject({ labels: labels.optional(), ...fields, organization: newOrganization.optional() });

/** Body of `PATCH`, a JSON merge patch: fields it leaves out stay, and null removes. Checked after it has been applied. */
export const tenantPatch = z
  .record(z.string(), z.unknown())
  .describe('JSON merge patch (RFC 7396) of `labels` and of the fields of `spec`: fields that are left out stay, and null removes.')
  .meta({ ...mergePatchSchema(changeable), id: 'TenantPatch', examples: [{ displayName: 'Acme', parameters: { logLevel: 'debug' } }] });

const event = z
  .object({
    type: z.string().describe('Normal or Warning.'),
    reason: z.string().describe('One word, for programs.'),
    message: z.string().describe('One sentence, for people.'),
    count: z.int().describe('How often it happened.'),
    lastSeenAt: z.string().meta({ format: 'date-time' }),
    source: z.string().describe('Who says so.'),
  })
  .meta({ id: 'TenantEvent' });

const tenantFields = {
  name: z.string(),
  uid: z.string().describe('Never used again, not even by a tenant of the same name.'),
  resourceVersion: z.string().describe('Changes with every change, of the status too; also in ETag.'),
  generation: z.int().describe('Grows with every change of the spec.'),
  createdAt: z.string().meta({ format: 'date-time' }),
  deletedAt: z.string().optional().describe('Since when it is being deleted.').meta({ format: 'date-time' }),
  dataFate: z.enum(dataFates).optional().describe('What becomes of its data, where it is being deleted.'),
  suspendedBy: z
    .enum(suspenders)
    .optional()
    .describe('Who has suspended it, where it is: what the platform has, with kubectl too, only the platform resumes.'),
  labels: z.record(z.string(), z.string()),
  spec: tenantSpec,
  status: tenantStatus,
};

export const tenantRepresentation = z.object(tenantFields).meta({ id: 'Tenant' });

/** A tenant with what was lately said of it. */
export const tenantWithEvents = z
  .object({
    ...tenantFields,
    events: z.array(event).describe('Recent Kubernetes Events, the latest first. They are forgotten after an hour.'),
  })
  .meta({ id: 'TenantWithEvents' });

export const tenantList = z
  .object({ items: z.array(tenantRepresentation), nextCursor: z.string().optional().describe('Asks for the next page.') })
  .meta({ id: 'TenantList' });

/** A Tenant as the Admin API shows it. */
export function represent(tenant: Tenant) {
  const { metadata, spec, status } = tenant;
  const suspendedBy = suspenderOf(tenant);
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    createdAt: metadata.creationTimestamp ?? '',
    ...(metadata.deletionTimestamp === undefined ? {} : { deletedAt: metadata.deletionTimestamp, dataFate: dataFateOf(tenant) }),
    ...(suspendedBy === undefined ? {} : { suspendedBy }),
    labels: metadata.labels ?? {},
    spec,
    status: status ?? {},
  };
}

/** Entity tag of a tenant with its events: the resourceVersion, which If-Match compares, and a digest of the events. */
export function etagOf(tenant: Tenant, events: readonly TenantEvent[]): string {
  return `"${tenant.metadata.resourceVersion ?? ''}-${digestOf(...events.map(({ version }) => version))}"`;
}

/** Whether the tenant is one of those an If-Match demands. */
export function isDemanded(tenant: Tenant, tags: Demand | undefined): boolean {
  return tags === undefined || tags === 'any' || tags.some((tag) => tag.split('-')[0] === tenant.metadata.resourceVersion);
}
