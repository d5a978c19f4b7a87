import type { NeededPermission, NeededRole } from './needs.ts';

/** The state of one part of the environment. */
export interface WorkosFinding {
  /** Such as `permission tenants:read`, `role viewer`, `webhook endpoint`. */
  readonly item: string;
  /**
   * `missing`: setup can create it. `manual`: only a person can create it, in the dashboard. `unknown`: WorkOS's API does not show it, and setup
   * makes sure of it. `created` and `changed`: setup has just done this.
   */
  readonly state: 'ok' | 'created' | 'changed' | 'missing' | 'manual' | 'unknown';
  readonly detail: string;
  /** The remedy, if a person has to act. */
  readonly remedy?: string;
}

/** A change that WorkOS's API can make. */
export type WorkosStep =
  | { readonly kind: 'create-permission'; readonly permission: NeededPermission }
  | { readonly kind: 'create-role'; readonly role: NeededRole }
  | { readonly kind: 'add-permission'; readonly role: string; readonly permission: string }
  | { readonly kind: 'add-redirect-uri'; readonly uri: string }
  | { readonly kind: 'create-webhook'; readonly url: string; readonly events: readonly string[] }
  | { readonly kind: 'change-webhook'; readonly id: string; readonly events: readonly string[] };

/** The parts of the environment that exist. */
export interface WorkosEnvironment {
  readonly permissions: readonly string[];
  readonly roles: readonly { readonly slug: string; readonly permissions: readonly string[] }[];
  readonly webhooks: readonly {
    readonly id: string;
    readonly url: string;
    readonly events: readonly string[];
    readonly enabled: boolean;
  }[];
  /** Whether the environment has keys for the client ID. */
  readonly clientKnown: boolean;
  /** Metadata of the AuthKit domain; undefined when it serves none. */
  readonly metadata: AuthorizationServer | undefined;
}

export interface AuthorizationServer {
  readonly issuer: string;
  /** Client ID Metadata Documents. */
  readonly cimd: boolean;
  /** Dynamic client registration. */
  readonly dcr: boolean;
}

export interface WorkosWanted {
  readonly permissions: readonly NeededPermission[];
  readonly roles: readonly NeededRole[];
  readonly redirectUris: readonly string[];
  readonly webhookUrl: string | undefined;
  readonly events: readonly string[];
  readonly oauthIssuer: string;
}

/** One part of the environment, and the steps that correct it. */
export interface WorkosItem {
  readonly finding: WorkosFinding;
  readonly steps: readonly WorkosStep[];
}

const runSetup = 'Run: tenantry workos setup';
const ok = (item: string, detail: string): WorkosItem => ({ finding: { item, state: 'ok', detail }, steps: [] });
const manual = (item: string, detail: string, remedy: string): WorkosItem => ({
  finding: { item, state: 'manual', detail, remedy },
  steps: [],
});
const missing = (item: string, detail: string, steps: readonly WorkosStep[]): WorkosItem => ({
  finding: { item, state: 'missing', detail, remedy: runSetup },
  steps,
});

/** Compares the environment with the needs of Tenantry. Other parts of the environment are never removed. */
export function planWorkos(has: WorkosEnvironment, wanted: WorkosWanted): WorkosItem[] {
  return [
    has.clientKnown
      ? ok('client ID', 'The environment has it.')
      : manual(
          'client ID',
          'The environment has no keys for it.',
          'Set WORKOS_CLIENT_ID to the client ID at WorkOS Dashboard > API keys, of the same environment as the key.',
        ),
    ...wanted.permissions.map((permission) => permissionItem(permission, has)),
    ...wanted.roles.map((role) => roleItem(role, has)),
    ...wanted.redirectUris.map(redirectItem),
    webhookItem(has, wanted),
    ...registrationItems(has.metadata, wanted.oauthIssuer),
  ];
}

function permissionItem(permission: NeededPermission, has: WorkosEnvironment): WorkosItem {
  const item = `permission ${permission.slug}`;
  if (has.permissions.includes(permission.slug)) return ok(item, 'Exists.');
  return missing(item, 'Does not exist.', [{ kind: 'create-permission', permission }]);
}

function roleItem(role: NeededRole, has: WorkosEnvironment): WorkosItem {
  const item = `role ${role.slug}`;
  const found = has.roles.find(({ slug }) => slug === role.slug);
  if (found === undefined) return missing(item, 'Does not exist.', [{ kind: 'create-role', role }]);
  const lacking = role.permissions.filter((permission) => !found.permissions.includes(permission));
  if (lacking.length === 0) return ok(item, 'Exists with its permissions.');
  const steps = lacking.map((permission) => ({ kind: 'add-permission' as const, role: role.slug, permission }));
  return missing(item, `Lacks ${lacking.join(', ')}.`, steps);
}

function redirectItem(uri: string): WorkosItem {
  const detail = "WorkOS's API does not list redirect URIs.";
  const remedy = `Run: tenantry workos setup, or add ${uri} at WorkOS Dashboard > Redirects`;
  return { finding: { item: `redirect URI ${uri}`, state: 'unknown', detail, remedy }, steps: [{ kind: 'add-redirect-uri', uri }] };
}

function webhookItem(has: WorkosEnvironment, { webhookUrl: url, events }: WorkosWanted): WorkosItem {
  const item = 'webhook endpoint';
  if (url === undefined) return ok(item, 'Not needed: the Events API is read every five seconds.');
  const found = has.webhooks.find((one) => one.url === url);
  if (found === undefined) return missing(item, `No endpoint has the URL ${url}.`, [{ kind: 'create-webhook', url, events }]);
  const lacking = events.filter((event) => !found.events.includes(event));
  if (lacking.length === 0 && found.enabled) return ok(item, 'Exists with its events.');
  const detail = lacking.length === 0 ? 'It is disabled.' : `Lacks ${lacking.join(', ')}${found.enabled ? '' : ', and is disabled'}.`;
  return missing(item, detail, [{ kind: 'change-webhook', id: found.id, events: [...found.events, ...lacking] }]);
}

function registrationItems(metadata: AuthorizationServer | undefined, oauthIssuer: string): WorkosItem[] {
  const domain = 'AuthKit domain';
  if (metadata === undefined) {
    const remedy = 'Set TENANTRY_OAUTH_ISSUER to the domain at WorkOS Dashboard > Domains > AuthKit, with https://.';
    return [manual(domain, `${oauthIssuer} serves no metadata of an authorization server.`, remedy)];
  }
  if (metadata.issuer !== oauthIssuer) {
    return [manual(domain, `Its issuer is ${metadata.issuer}.`, `Set TENANTRY_OAUTH_ISSUER=${metadata.issuer}`)];
  }
  const where = 'WorkOS Dashboard > Connect > Configuration';
  return [
    ok(domain, 'Serves its metadata.'),
    metadata.cimd
      ? ok('Client ID Metadata Documents', 'Enabled.')
      : manual('Client ID Metadata Documents', 'Disabled: current MCP clients cannot sign in.', `Enable CIMD at ${where}.`),
    registrationItem(metadata, where),
  ];
}

/** Not needed beside CIMD, which MCP's authorization prefers since 2025-11-25. Leaving it off keeps unknown clients out. */
function registrationItem({ cimd, dcr }: AuthorizationServer, where: string): WorkosItem {
  const item = 'Dynamic Client Registration';
  if (dcr) return ok(item, 'Enabled.');
  if (cimd) return ok(item, 'Disabled: clients without Client ID Metadata Documents must be registered beforehand.');
  return manual(item, 'Disabled too: only clients that were registered beforehand can sign in.', `Enable CIMD, or DCR, at ${where}.`);
}
