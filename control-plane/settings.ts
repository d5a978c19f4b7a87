import { hostname } from 'node:os';
import { z } from 'zod';
import type { Addressing } from '../crds/names.ts';
import { type LeaseReference, leaseReference } from '../kube/leader-election.ts';
import type { AuditSettings } from './audit/create.ts';
import type { RateLimitSettings } from './http/rate-limits.ts';
import type { ToolAccess, ToolAccessByRole } from './pods/tool-access.ts';

const origin = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''))
  .refine((url) => URL.parse(url)?.pathname === '/', 'must have no path');

const withoutTrailingSlash = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''));

const toolAccess = z
  .string()
  .regex(
    /^([a-z0-9*][-a-z0-9_]*=(none|read|all))(,[a-z0-9*][-a-z0-9_]*=(none|read|all))*$/,
    'must be a list such as viewer=read,*=all: roles, and none, read or all for each',
  )
  .transform((text) => new Map(text.split(',').map((part) => part.split('=') as [string, ToolAccess])));

const environment = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8090),
  KUBECONFIG: z.string().min(1).optional(),
  // A Secret made from a file often ends in a newline.
  WORKOS_API_KEY: z.string().trim().min(1, 'must be the API key of the WorkOS environment'),
  WORKOS_CLIENT_ID: z.string().regex(/^client_/, 'must be a client ID of WorkOS, client_...'),
  WORKOS_API_URL: origin.default('https://api.workos.com'),
  TENANTRY_ADMIN_ISSUER: z.url({ protocol: /^https?$/, error: 'must be the `iss` of session access tokens, a URL' }),
  TENANTRY_OAUTH_ISSUER: origin,
  WORKOS_WEBHOOK_SECRET: z.string().trim().min(1).optional(),
  TENANTRY_PLATFORM_ORGANIZATION_ID: z
    .string()
    .regex(/^org_[A-Za-z0-9]+$/, 'must be the WorkOS organization of the platform administrators, org_...'),
  TENANTRY_STORE_URL: z.url({
    protocol: /^postgres(ql)?$/,
    error: 'must be the URL of a PostgreSQL database of the control plane alone, postgres://user:password@host:5432/database',
  }),
  TENANTRY_AUDIT_KEY_FILE: z.string().min(1, 'must be the path of an Ed25519 private key (PEM)'),
  TENANTRY_AUDIT_RETENTION_DAYS: z.coerce.number().int().min(1).max(36_500).default(400),
  TENANTRY_AUDIT_TENANT_LIMIT: z.coerce.number().int().min(1).default(3_000),
  TENANTRY_OPERATOR_ACCOUNT: z
    .string()
    .regex(/^[-a-z0-9]+\/[-a-z0-9.]+$/, 'must be <namespace>/<ServiceAccount> of the operator')
    .default('tenantry-system/tenantry-operator'),
  TENANTRY_BASE_URL: withoutTrailingSlash,
  TENANTRY_ROUTE_MODE: z.enum(['path', 'host']).default('path'),
  TENANTRY_ADMIN_URL: origin.optional(),
  TENANTRY_DEFAULT_TENANT: z.string().min(1).optional(),
  TENANTRY_TOOL_ACCESS: toolAccess.prefault('viewer=read,*=all'),
  TENANTRY_ADMIN_RATE_LIMIT: z.coerce.number().int().min(1).default(3_000),
  TENANTRY_REFUSED_RATE_LIMIT: z.coerce.number().int().min(1).default(300),
  TENANTRY_TRUSTED_PROXIES: z.string().min(1).optional(),
  TENANTRY_LEASE: leaseReference.optional(),
  POD_NAME: z.string().min(1).default(hostname()),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

/** Configuration of this installation's control plane. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  /** Path of a kubeconfig. Without one, the order of kubectl applies, and last the pod's ServiceAccount. */
  readonly kubeconfig: string | undefined;
  readonly workos: {
    readonly apiKey: string;
    readonly clientId: string;
    readonly apiUrl: string;
    /** Secret of the webhook endpoint at WorkOS. Without one, webhooks are refused and changes come from the Events API alone. */
    readonly webhookSecret: string | undefined;
  };
  /** Organization whose members are administrators of the platform. Members of other organizations see their own tenants. */
  readonly platformOrganizationId: string;
  /** URL of the control plane's own database, with the password. */
  readonly storeUrl: string;
  readonly audit: AuditSettings;
  /** `<namespace>/<name>` of the operator's ServiceAccount. */
  readonly operatorAccount: string;
  /** Addresses of tenants; the operator has the same setting. */
  readonly addressing: Addressing;
  /** Public URL of the control plane, if it has one. */
  readonly adminUrl: string | undefined;
  /** Tenant of users who are not members of any tenant. */
  readonly defaultTenant: string | undefined;
  /** Access to tools by role; `*` stands for all others. */
  readonly toolAccess: ToolAccessByRole;
  /** Most requests a minute of an administrator, and of an address that sends refused tokens. */
  readonly rateLimits: RateLimitSettings;
  /** Comma-separated addresses and ranges of proxies whose X-Forwarded-For is trusted. Undefined for none. */
  readonly trustedProxies: string | undefined;
  /** `iss` of administrators' session access tokens. */
  readonly adminIssuer: string;
  /** The AuthKit domain, issuer of the tokens of tenants' users. */
  readonly oauthIssuer: string;
  /** Lease that elects the leading replica. All replicas serve requests. Undefined with one replica. */
  readonly lease: LeaseReference | undefined;
  /** Name of this replica in the Lease. */
  readonly replica: string;
  readonly logLevel: string;
}

/** Reads the environment. @throws Error with a line for each missing or wrong variable. It does not repeat values. */
export function readSettings(variables: Readonly<Record<string, string | undefined>>): Settings {
  const parsed = environment.safeParse(variables);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      return `  ${name} ${variables[name] === undefined ? 'is not set' : issue.message}`;
    });
    throw new Error(`The control plane cannot start. Correct these environment variables:\n${[...new Set(faults)].join('\n')}`);
  }
  const env = parsed.data;
  return {
    host: env.HOST,
    port: env.PORT,
    kubeconfig: env.KUBECONFIG,
    workos: {
      apiKey: env.WORKOS_API_KEY,
      clientId: env.WORKOS_CLIENT_ID,
      apiUrl: env.WORKOS_API_URL,
      webhookSecret: env.WORKOS_WEBHOOK_SECRET,
    },
    platformOrganizationId: env.TENANTRY_PLATFORM_ORGANIZATION_ID,
    storeUrl: env.TENANTRY_STORE_URL,
    audit: {
      keyFile: env.TENANTRY_AUDIT_KEY_FILE,
      retentionDays: env.TENANTRY_AUDIT_RETENTION_DAYS,
      recordsPerMinute: env.TENANTRY_AUDIT_TENANT_LIMIT,
    },
    operatorAccount: env.TENANTRY_OPERATOR_ACCOUNT,
    addressing: { baseUrl: env.TENANTRY_BASE_URL, mode: env.TENANTRY_ROUTE_MODE },
    adminUrl: env.TENANTRY_ADMIN_URL,
    defaultTenant: env.TENANTRY_DEFAULT_TENANT,
    toolAccess: env.TENANTRY_TOOL_ACCESS,
    rateLimits: { perAdmin: env.TENANTRY_ADMIN_RATE_LIMIT, perAddress: env.TENANTRY_REFUSED_RATE_LIMIT },
    trustedProxies: env.TENANTRY_TRUSTED_PROXIES,
    adminIssuer: env.TENANTRY_ADMIN_ISSUER,
    oauthIssuer: env.TENANTRY_OAUTH_ISSUER,
    lease: env.TENANTRY_LEASE,
    replica: env.POD_NAME,
    logLevel: env.LOG_LEVEL,
  };
}
