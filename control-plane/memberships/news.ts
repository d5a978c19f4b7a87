import { z } from 'zod';
import type { MembershipStatus } from './tables.ts';

/** A membership as WorkOS last told it. */
export interface MembershipRecord {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  /** Slugs; the primary role is the first. */
  readonly roles: readonly string[];
  readonly status: MembershipStatus;
  readonly updatedAt: Date;
}

/** What an event means for the mirror. */
export type News =
  | { readonly kind: 'membership'; readonly record: MembershipRecord }
  | { readonly kind: 'user-removed'; readonly userId: string }
  | { readonly kind: 'organization-removed'; readonly organizationId: string };

/** An event of WorkOS, from a webhook or from the Events API, in the SDK's shape. */
export interface ProviderEvent {
  readonly id: string;
  readonly event: string;
  readonly createdAt: string;
  readonly data: unknown;
}

/** Events the mirror lives on. Deactivation, reactivation and a change of role are all `organization_membership.updated`. */
export const mirroredEvents = [
  'organization_membership.created',
  'organization_membership.updated',
  'organization_membership.deleted',
  'user.deleted',
  'organization.deleted',
] as const;

const role = z.object({ slug: z.string() });
const membership = z.object({
  id: z.string().min(1),
  userId: z.string().min(1),
  organizationId: z.string().min(1),
  status: z.enum(['active', 'inactive', 'pending']),
  updatedAt: z.iso.datetime({ offset: true }),
  role,
  roles: z.array(role).optional(),
});
const identified = z.object({ id: z.string().min(1) });
const deleted = z.object({ id: z.string().min(1), userId: z.string().min(1), organizationId: z.string().min(1) });

/** The membership as the mirror keeps it. @throws ZodError for an answer that is not WorkOS's. */
export function recordOf(data: unknown): MembershipRecord {
  const known = membership.parse(data);
  return {
    id: known.id,
    organizationId: known.organizationId,
    userId: known.userId,
    roles: [...new Set([known.role.slug, ...(known.roles ?? []).map(({ slug }) => slug)])],
    status: known.status,
    updatedAt: new Date(known.updatedAt),
  };
}

/** What the event means; undefined for one that means nothing here. @throws ZodError for an event that is not WorkOS's. */
export function newsOf({ event, data, createdAt }: ProviderEvent): News | undefined {
  switch (event) {
    case 'organization_membership.created':
    case 'organization_membership.updated':
      return { kind: 'membership', record: recordOf(data) };
    case 'organization_membership.deleted': {
      const record = deleted.parse(data);
      return { kind: 'membership', record: { ...record, roles: [], status: 'deleted', updatedAt: new Date(createdAt) } };
    }
    case 'user.deleted':
      return { kind: 'user-removed', userId: identified.parse(data).id };
    case 'organization.deleted':
      return { kind: 'organization-removed', organizationId: identified.parse(data).id };
    default:
      return undefined;
  }
}
