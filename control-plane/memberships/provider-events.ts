import { z } from 'zod';
import type { MembershipStatus } from '../store/tables/memberships.ts';

/** The last known state of a membership at WorkOS. */
export interface MembershipRecord {
  readonly id: string;
  readonly organizationId: string;
  readonly userId: string;
  /** Slugs; the primary role is the first. */
  readonly roles: readonly string[];
  readonly status: MembershipStatus;
  readonly updatedAt: Date;
}

/** A change of the mirror that an event causes. */
export type MembershipChange =
  | { readonly kind: 'membership'; readonly record: MembershipRecord }
  | { readonly kind: 'user-removed'; readonly userId: string }
  | { readonly kind: 'organization-removed'; readonly organizationId: string };

/** An event of WorkOS, from a webhook or from the Events API. Its fields have the SDK's names. */
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
 * Reads an event of the Events API with any data. The SDK throws for an unknown form, which would lose the whole page.
 * @returns undefined for a value that is not an event.
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

/** Events that change the mirror. Deactivation, reactivation and a change of role are all `organization_membership.updated`. */
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

/** The organization of an event, if the event names it. */
export function organizationOf({ event, data }: ProviderEvent): string | undefined {
  const named = z.object({ organizationId: z.string().min(1) }).safeParse(data);
  if (named.success) return named.data.organizationId;
  return event === 'organization.deleted' ? identified.safeParse(data).data?.id : undefined;
}

/** The membership as the mirror stores it. @throws ZodError for an unknown form. */
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

/** The change that the event causes; undefined for an event without one. @throws ZodError for an unknown form. */
export function changeOf({ event, data, createdAt }: ProviderEvent): MembershipChange | undefined {
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
