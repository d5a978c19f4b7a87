/** Tables of the mirror. Times are from the database's clock, except `updated_at`, `event_at` and `since`, which are from WorkOS. */
export interface MembershipTables {
  readonly memberships: {
    readonly id: string;
    readonly organization_id: string;
    readonly user_id: string;
    /** Slugs; the primary role is the first. */
    readonly roles: string[];
    readonly status: MembershipStatus;
    /** Time of the last change at WorkOS. An older record never overwrites a newer one. */
    readonly updated_at: Date;
    /** Time when an event or a listing last confirmed this row. */
    readonly seen_at: Date;
  };
  /** Organizations whose memberships are mirrored. */
  readonly member_organizations: {
    readonly id: string;
    /** Beginning of the last complete listing; null before the first. */
    readonly synced_at: Date | null;
    /** Expiry of the lock of the replica that lists the organization. */
    readonly syncing_until: Date | null;
  };
  /** Users and organizations that were deleted at WorkOS. WorkOS never uses an identifier again. */
  readonly removed_identities: { readonly id: string; readonly removed_at: Date };
  /** Applied events. */
  readonly membership_events: { readonly id: string; readonly processed_at: Date };
  /** Positions in the Events API. */
  readonly membership_cursors: {
    readonly name: string;
    readonly event_id: string | null;
    readonly event_at: Date | null;
    /** Time to start from without an event to continue after. */
    readonly since: Date;
    /** Beginning of the last poll that read all events. */
    readonly polled_at: Date | null;
  };
  /** Remaining requests to WorkOS of all replicas together. */
  readonly read_budgets: { readonly name: string; readonly tokens: number; readonly refilled_at: Date };
}

/** Status at WorkOS. `deleted` is our own value, and it is final. */
export type MembershipStatus = 'active' | 'inactive' | 'pending' | 'deleted';
