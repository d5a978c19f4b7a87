import {
  ConfigurationError,
  type Environment,
  httpUrl,
  integer,
  json,
  oneOf,
  optional,
  required,
  texts,
} from '../../runtime/environment.ts';
import { readToolSelection, type ToolSelection } from './tool-selection.ts';

/** How the sidecar identifies the caller to the API. */
export type UpstreamAuth =
  | { readonly mode: 'assertion'; readonly jwksFile: string }
  | { readonly mode: 'static'; readonly header: string; readonly secretFile: string }
  | { readonly mode: 'none' };

/** OAuth: absent where the tenant has no organization, so that only API keys work. */
export interface OAuthSettings {
  readonly issuer: string;
  /** Client id of the WorkOS environment: the audience of machine-to-machine tokens. */
  readonly clientId: string;
  readonly organizationId: string;
}

/** The sidecar's configuration; nothing of it depends on the template. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly tenant: string;
  readonly tenantUid: string;
  readonly displayName: string;
  /** Public URL of the MCP endpoint; its path is served as it stands. */
  readonly mcpUrl: URL;
  /** Public URL of the REST API, where the template publishes it. */
  readonly apiUrl: URL | undefined;
  /** Origins of custom domains, each of which serves /mcp, and /api where that is published. */
  readonly domains: readonly URL[];
  readonly upstreamUrl: URL;
  readonly openapiPath: string;
  /** Path that the API answers with 200 when it can serve; undefined where it has none. */
  readonly readyPath: string | undefined;
  readonly upstreamAuth: UpstreamAuth;
  readonly selection: ToolSelection;
  readonly apiKeysFile: string | undefined;
  /** Authorization server that clients are sent to. */
  readonly issuer: string | undefined;
  readonly oauth: OAuthSettings | undefined;
  readonly controlPlane: { readonly url: URL; readonly tokenFile: string };
  /** Folder for records of tool calls that the control plane has not yet taken; it should outlive the process. */
  readonly auditSpoolDir: string;
}

export function readSettings(environment: Environment): Settings {
  const tenant = required(environment, 'TENANTRY_TENANT');
  const openapiPath = optional(environment, 'TENANTRY_OPENAPI_PATH') ?? '/openapi.json';
  if (!openapiPath.startsWith('/')) throw new ConfigurationError('TENANTRY_OPENAPI_PATH must start with a slash');
  const readyPath = optional(environment, 'TENANTRY_READY_PATH');
  if (readyPath?.startsWith('/') === false) throw new ConfigurationError('TENANTRY_READY_PATH must start with a slash');
  return {
    host: required(environment, 'HOST'),
    port: integer(environment, 'PORT', { min: 1, max: 65535, default: 8001 }),
    tenant,
    tenantUid: required(environment, 'TENANTRY_TENANT_UID'),
    displayName: optional(environment, 'TENANTRY_DISPLAY_NAME') ?? tenant,
    mcpUrl: httpUrl(environment, 'TENANTRY_MCP_URL'),
    apiUrl: optional(environment, 'TENANTRY_API_URL') === undefined ? undefined : httpUrl(environment, 'TENANTRY_API_URL'),
    domains: readDomains(environment),
    upstreamUrl: httpUrl(environment, 'TENANTRY_UPSTREAM_URL'),
    openapiPath,
    readyPath,
    upstreamAuth: readUpstreamAuth(environment),
    selection: readToolSelection(environment),
    apiKeysFile: optional(environment, 'TENANTRY_API_KEYS_FILE'),
    issuer: optional(environment, 'TENANTRY_OAUTH_ISSUER'),
    oauth: readOAuth(environment),
    controlPlane: {
      url: httpUrl(environment, 'TENANTRY_CONTROL_PLANE_URL'),
      tokenFile: required(environment, 'TENANTRY_CONTROL_PLANE_TOKEN_FILE'),
    },
    auditSpoolDir: required(environment, 'TENANTRY_AUDIT_SPOOL_DIR'),
  };
}

function readDomains(environment: Environment): URL[] {
  const origins = texts(json(environment, 'TENANTRY_DOMAINS'), 'TENANTRY_DOMAINS') ?? [];
  return origins.map((origin) => {
    const url = URL.canParse(origin) ? new URL(origin) : undefined;
    if (url?.origin !== origin || !/^https?:$/.test(url.protocol)) {
      throw new ConfigurationError('TENANTRY_DOMAINS must be a JSON array of origins such as "https://mcp.example.com"');
    }
    return url;
  });
}

function readUpstreamAuth(environment: Environment): UpstreamAuth {
  const mode = oneOf(environment, 'TENANTRY_UPSTREAM_AUTH', ['assertion', 'static', 'none'], 'assertion');
  switch (mode) {
    case 'assertion':
      return { mode, jwksFile: required(environment, 'TENANTRY_ASSERTION_JWKS_FILE') };
    case 'static':
      return {
        mode,
        header: required(environment, 'TENANTRY_UPSTREAM_AUTH_HEADER').toLowerCase(),
        secretFile: required(environment, 'TENANTRY_UPSTREAM_AUTH_SECRET_FILE'),
      };
    case 'none':
      return { mode };
  }
}

function readOAuth(environment: Environment): OAuthSettings | undefined {
  const organizationId = optional(environment, 'TENANTRY_ORGANIZATION_ID');
  if (organizationId === undefined) return undefined;
  return {
    organizationId,
    // As it was configured: issuers are compared letter by letter.
    issuer: required(environment, 'TENANTRY_OAUTH_ISSUER'),
    clientId: required(environment, 'TENANTRY_OAUTH_CLIENT_ID'),
  };
}
