import { hostname } from 'node:os';
import { z } from 'zod';
import { type LeaseReference, leaseReference } from '../kube/leader-election.ts';

const origin = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''))
  .refine((url) => URL.parse(url)?.pathname === '/', 'must have no path');

const environment = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8090),
  KUBECONFIG: z.string().min(1).optional(),
  WORKOS_API_KEY: z.string().min(1, 'must be the API key of the WorkOS environment'),
  WORKOS_CLIENT_ID: z.string().regex(/^client_/, 'must be a client ID of WorkOS, client_...'),
  WORKOS_API_URL: origin.default('https://api.workos.com'),
  TENANTRY_ADMIN_ISSUER: z.url({ protocol: /^https?$/, error: 'must be the `iss` of session access tokens, a URL' }),
  TENANTRY_OAUTH_ISSUER: origin,
  TENANTRY_LEASE: leaseReference.optional(),
  POD_NAME: z.string().min(1).default(hostname()),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

/** How this installation's control plane is configured. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  /** Path of a kubeconfig; without one kubectl's own order applies, down to the pod's ServiceAccount. */
  readonly kubeconfig: string | undefined;
  readonly workos: { readonly apiKey: string; readonly clientId: string; readonly apiUrl: string };
  /** `iss` of the session access tokens of administrators. */
  readonly adminIssuer: string;
  /** The AuthKit domain, issuer of the tenants' users' tokens. */
  readonly oauthIssuer: string;
  /** Lease by which one of several replicas keeps the OAuth resources; all of them serve requests. Undefined with one replica. */
  readonly lease: LeaseReference | undefined;
  /** Name of this replica in the Lease. */
  readonly replica: string;
  readonly logLevel: string;
}

/** Reads the environment. @throws Error with a line for each variable that is missing or wrong; it repeats no value. */
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
    workos: { apiKey: env.WORKOS_API_KEY, clientId: env.WORKOS_CLIENT_ID, apiUrl: env.WORKOS_API_URL },
    adminIssuer: env.TENANTRY_ADMIN_ISSUER,
    oauthIssuer: env.TENANTRY_OAUTH_ISSUER,
    lease: env.TENANTRY_LEASE,
    replica: env.POD_NAME,
    logLevel: env.LOG_LEVEL,
  };
}
