import { z } from 'zod';
import { deletionPolicies, effectiveDeletionPolicyOf } from '../../crds/deletion.ts';
import { lineOf } from '../../crds/schema.ts';
import { type Tenant, tenantName, tenantSpec, tenantStatus } from '../../crds/tenant.ts';
import { type Demand, digestOf } from '../http/entity-tags.ts';
import type { TenantEvent } from './events.ts';
import { labels } from './labels.ts';
import { mergePatchSchema } from './patch-schema.ts';
import { suspenderOf, suspenders } from './suspension.ts';

// Components of the OpenAPI document. They are copies, because an id on the schemas of crds/ would change the generated CRDs.
const spec = tenantSpec.meta({ id: 'TenantSpec' });
const status = tenantStatus.meta({ id: 'TenantStatus' });

const { organization: _storedOrganization, ...fields } = tenantSpec.shape;

const newOrganization = z
  .strictObject({
    name: lineOf(200).min(1).describe('Name of the organization at WorkOS.'),
    admin: z
      .strictObject({ email: z.email().max(254).describe('Address that gets the invitation.') })
      .optional()
      .describe('First administrator of the tenant, who is invited.'),
  })
  .describe('Organization that is created at WorkOS for this tenant. Use it instead of organizationId.');

/** Body of `POST /admin/tenants`: the name, the labels and the fields of the spec, on one level. */
export const newTenant = z
  .strictObject({
    name: tenantName.describe('Unique and immutable. It is part of the URLs.'),
    labels: labels.optional(),
    ...fields,
    organization: newOrganization.optional(),
  })
  .refine(({ organization, organizationId }) => organization === undefined || organizationId === undefined, {
    path: ['organization'],
    message: 'cannot be set together with organizationId',
  })
  .meta({ id: 'NewTenant' });

const changeable = z.strictObject({ labels: labels.optional(), ...fields, organization: newOrganization.optional() });

/** Body of `PATCH`, a JSON merge patch. It is checked after it has been applied. */
export const tenantPatch = z
  .record(z.string(), z.unknown())
  .describe('JSON merge patch (RFC 7396) of `labels` and of the fields of `spec`. Fields that are left out stay, and null removes a field.')
  .meta({ ...mergePatchSchema(changeable), id: 'TenantPatch', examples: [{ displayName: 'Acme', parameters: { logLevel: 'debug' } }] });

const event = z
  .object({
    type: z.string().describe('Normal or Warning.'),
    reason: z.string().describe('Stable word for programs.'),
    message: z.string().describe('Sentence for people.'),
    count: z.int().describe('Number of times it happened.'),
    lastSeenAt: z.string().meta({ format: 'date-time' }),
    source: z.string().describe('Component that reported it.'),
  })
  .meta({ id: 'TenantEvent' });

const tenantFields = {
  name: z.string(),
  uid: z.string().describe('Unique for ever: a later tenant of the same name has another one.'),
  resourceVersion: z.string().describe('Changes with every change of the tenant or its status. It is also in the ETag.'),
  generation: z.int().describe('Increases with every change of the spec.'),
  createdAt: z.string().meta({ format: 'date-time' }),
  deletedAt: z.string().optional().describe('Time when the deletion began.').meta({ format: 'date-time' }),
  effectiveDeletionPolicy: z.enum(deletionPolicies).optional().describe('Deletion policy of the deletion that has begun.'),
  suspendedBy: z
    .enum(suspenders)
    .optional()
    .describe(
      '`platform` or `tenant`: who suspended the tenant. Only the platform can resume a tenant that it suspended. A suspension with kubectl counts as one by the platform.',
    ),
  labels: z.record(z.string(), z.string()),
  spec,
  status,
};

export const tenantRepresentation = z.object(tenantFields).meta({ id: 'Tenant' });

/** A tenant with recent Events. */
export const tenantWithEvents = z
  .object({
    ...tenantFields,
    events: z.array(event).describe('Recent Kubernetes Events, newest first. Kubernetes keeps them for an hour.'),
  })
  .meta({ id: 'TenantWithEvents' });

export const tenantList = z
  .object({ items: z.array(tenantRepresentation), nextCursor: z.string().optional().describe('Cursor of the next page.') })
  .meta({ id: 'TenantList' });

/** Turns a Tenant into its representation in the Admin API. */
export function represent(tenant: Tenant) {
  const { metadata, spec, status } = tenant;
  const suspendedBy = suspenderOf(tenant);
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    generation: metadata.generation ?? 0,
    createdAt: metadata.creationTimestamp ?? '',
    ...(metadata.deletionTimestamp === undefined
      ? {}
      : { deletedAt: metadata.deletionTimestamp, effectiveDeletionPolicy: effectiveDeletionPolicyOf(tenant) }),
    ...(suspendedBy === undefined ? {} : { suspendedBy }),
    labels: metadata.labels ?? {},
    spec,
    status: status ?? {},
  };
}

/** Entity tag of a tenant with its events. It has the resourceVersion, which If-Match compares, and a digest of the events. */
export function etagOf(tenant: Tenant, events: readonly TenantEvent[]): string {
  return `"${tenant.metadata.resourceVersion ?? ''}-${digestOf(...events.map(({ version }) => version))}"`;
}

/** Whether the tenant fulfils the If-Match. */
export function matchesDemand(tenant: Tenant, tags: Demand | undefined): boolean {
  return tags === undefined || tags === 'any' || tags.some((tag) => tag.split('-')[0] === tenant.metadata.resourceVersion);
}
