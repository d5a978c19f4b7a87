import { z } from 'zod';
import type { MembershipStatus } from '../store/tables/memberships.ts';

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

/** An event of WorkOS, from a webhook or from the Events API, with the names the SDK gives to fields. */
export interface ProviderEvent {
  readonly id: string;
  readonly event: string;
  readonly createdAt: string;
  readonly data: unknown;
}

const envelope = z.object({
  id: z.string().min(1),
  event: z.string().min(1),
  created_at: z.iso.datetime({ offset: true }),
  data: z.unknown(),
});

/**
 * An event as the Events API sends it, whatever it carries. The SDK's own way of reading one throws for a shape it does not know, and with
 * it the whole page would be lost.
 * @returns undefined for what is no event at all.
 */
export function eventOf(sent: unknown): ProviderEvent | undefined {
  const known = envelope.safeParse(sent);
  if (!known.success) return undefined;
  const { id, event, created_at: createdAt, data } = known.data;
  return { id, event, createdAt, data: typeof data === 'object' && data !== null ? inCamelCase(data) : data };
}

function inCamelCase(data: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase()), value]),
  );
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

/** The organization an event speaks of, as far as it can be made out. */
export function organizationOf({ event, data }: ProviderEvent): string | undefined {
  const named = z.object({ organizationId: z.string().min(1) }).safeParse(data);
  if (named.success) return named.data.organizationId;
  return event === 'organization.deleted' ? identified.safeParse(data).data?.id : undefined;
}

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
