/** Tables of the mirror. Times are those of the database's clock, but for `updated_at`, `event_at` and `since`, which are WorkOS's. */
export interface MembershipTables {
  readonly memberships: {
    readonly id: string;
    readonly organization_id: string;
    readonly user_id: string;
    /** Slugs; the primary role is the first. */
    readonly roles: string[];
    readonly status: MembershipStatus;
    /** When WorkOS last changed it: older news never overwrites newer. */
    readonly updated_at: Date;
    /** When this row was last confirmed by news or a listing. */
    readonly seen_at: Date;
  };
  /** Organizations whose memberships are mirrored. */
  readonly member_organizations: {
    readonly id: string;
    /** When the last complete listing began; null before the first. */
    readonly synced_at: Date | null;
    /** A replica lists it until then at the latest. */
    readonly syncing_until: Date | null;
  };
  /** Users and organizations that were deleted at WorkOS, which never uses an identifier again. */
  readonly removed_identities: { readonly id: string; readonly removed_at: Date };
  /** Events that have been applied. */
  readonly membership_events: { readonly id: string; readonly processed_at: Date };
  /** How far the Events API has been read. */
  readonly membership_cursors: {
    readonly name: string;
    readonly event_id: string | null;
    readonly event_at: Date | null;
    /** Where to begin without an event to continue after. */
    readonly since: Date;
    /** When the last poll that reached the end began. */
    readonly polled_at: Date | null;
  };
  /** Requests that may still be sent to WorkOS, by all replicas together. */
  readonly read_budgets: { readonly name: string; readonly tokens: number; readonly refilled_at: Date };
}

/** As at WorkOS; `deleted` is ours, and final. */
export type MembershipStatus = 'active' | 'inactive' | 'pending' | 'deleted';
