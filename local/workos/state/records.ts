/** Records of the stand-in, in the shapes of the WorkOS API, so that answers need no conversion. */

export interface Organization {
  readonly object: 'organization';
  readonly id: string;
  readonly name: string;
  readonly allow_profiles_outside_organization: boolean;
  readonly domains: readonly never[];
  readonly external_id: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface User {
  readonly object: 'user';
  readonly id: string;
  readonly email: string;
  readonly first_name: string | null;
  readonly last_name: string | null;
  readonly email_verified: boolean;
  readonly profile_picture_url: string | null;
  readonly last_sign_in_at: string | null;
  readonly locale: string | null;
  readonly external_id: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly updated_at: string;
}

export type MembershipStatus = 'active' | 'inactive' | 'pending';

export interface Membership {
  readonly object: 'organization_membership';
  readonly id: string;
  readonly user_id: string;
  readonly organization_id: string;
  readonly organization_name: string;
  readonly status: MembershipStatus;
  readonly directory_managed: boolean;
  readonly custom_attributes: Readonly<Record<string, unknown>>;
  readonly role: { readonly slug: string };
  readonly created_at: string;
  readonly updated_at: string;
}

/** Shape: docs/workos-notes.md. */
export interface OAuthResource {
  readonly object: 'authkit_oauth_resource';
  readonly id: string;
  readonly uri: string;
  readonly default: boolean;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Permission {
  readonly object: 'permission';
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string | null;
  /** Set for WorkOS's own, which cannot be changed or deleted. */
  readonly system: boolean;
  readonly resource_type_slug: string;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Role {
  readonly object: 'role';
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string | null;
  readonly type: 'EnvironmentRole';
  readonly resource_type_slug: string;
  readonly permissions: readonly string[];
  readonly created_at: string;
  readonly updated_at: string;
}

export interface Invitation {
  readonly object: 'invitation';
  readonly id: string;
  readonly email: string;
  readonly state: 'pending' | 'accepted' | 'expired' | 'revoked';
  readonly accepted_at: string | null;
  readonly revoked_at: string | null;
  readonly expires_at: string;
  readonly organization_id: string | null;
  readonly inviter_user_id: string | null;
  readonly accepted_user_id: string | null;
  readonly role_slug: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  /** Every holder of the token may accept the invitation. */
  readonly token: string;
}

export interface RedirectUri {
  readonly object: 'redirect_uri';
  readonly id: string;
  readonly uri: string;
  readonly default: boolean;
  readonly created_at: string;
  readonly updated_at: string;
}

export interface WebhookEndpoint {
  readonly object: 'webhook_endpoint';
  readonly id: string;
  readonly endpoint_url: string;
  /** Signs the events sent to this endpoint. */
  readonly secret: string;
  readonly status: 'enabled' | 'disabled';
  readonly events: readonly string[];
  readonly created_at: string;
  readonly updated_at: string;
}

/** A machine-to-machine client of an organization. */
export interface Application {
  readonly object: 'connect_application';
  readonly id: string;
  readonly client_id: string;
  readonly description: string | null;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly application_type: 'm2m';
  readonly organization_id: string;
  readonly created_at: string;
  readonly updated_at: string;
}

/** Only the hash and the last characters of the secret are kept. */
export interface ApplicationSecret {
  readonly object: 'connect_application_secret';
  readonly id: string;
  readonly application_id: string;
  readonly secret_hint: string;
  readonly sha256: string;
  readonly last_used_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

/** Allowed ways for clients without prior registration. These are the switches of WorkOS's dashboard. */
export interface RegistrationSwitches {
  /** Client ID Metadata Documents. */
  readonly cimd: boolean;
  /** Dynamic client registration. */
  readonly dcr: boolean;
}

/** An event of the environment, as the Events API and webhooks show it. */
export interface WorkosEvent {
  readonly object: 'event';
  readonly id: string;
  /** Name of the event, such as organization_membership.updated. */
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly created_at: string;
}
