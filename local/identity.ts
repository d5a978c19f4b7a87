import { z } from 'zod';
import { platformOrganization } from './demo.ts';
import type { WorkosStandIn } from './workos/start.ts';

/** A WorkOS environment, as the operator and the control plane are configured for it. */
export interface Identity {
  /** Origin of the API. */
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly clientId: string;
  /** The AuthKit domain, issuer of the tokens of the tenants' users. */
  readonly issuer: string;
  /** `iss` of session tokens. */
  readonly adminIssuer: string;
  /** Organization of the platform's administrators. */
  readonly platformOrganizationId: string;
  /** Secret of the webhook endpoint. Undefined when WorkOS cannot reach this machine. */
  readonly webhookSecret: string | undefined;
}

const variables = z.object({
  WORKOS_API_KEY: z
    .string('is not set: the API key of the environment (WorkOS dashboard, API Keys)')
    .regex(/^sk_/, 'must be an API key, sk_...'),
  WORKOS_CLIENT_ID: z
    .string('is not set: the client ID of the environment (WorkOS dashboard, API Keys)')
    .regex(/^client_/, 'must be a client ID, client_...'),
  WORKOS_API_URL: z.url({ protocol: /^https?$/ }).default('https://api.workos.com'),
  TENANTRY_OAUTH_ISSUER: z.url({
    protocol: /^https?$/,
    error: 'must be your AuthKit domain, such as https://example.authkit.app (WorkOS dashboard, Domains)',
  }),
  TENANTRY_ADMIN_ISSUER: z.url({ protocol: /^https?$/ }).default('https://api.workos.com'),
  TENANTRY_PLATFORM_ORGANIZATION_ID: z
    .string("is not set: the organization of your platform's administrators (WorkOS dashboard, Organizations)")
    .regex(/^org_/, 'must be an organization, org_...'),
});

/** Reads the WorkOS environment from environment variables. @throws Error with a line for each missing or invalid one, without its value. */
export function identityOf(environment: Readonly<Record<string, string | undefined>>): Identity {
  const parsed = variables.safeParse(environment);
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `  ${String(path[0])} ${message}`);
    throw new Error(`a WorkOS environment is named by these variables:\n${[...new Set(faults)].join('\n')}`);
  }
  const { data } = parsed;
  const plain = (url: string): string => url.replace(/\/+$/, '');
  return {
    apiUrl: plain(data.WORKOS_API_URL),
    apiKey: data.WORKOS_API_KEY,
    clientId: data.WORKOS_CLIENT_ID,
    issuer: plain(data.TENANTRY_OAUTH_ISSUER),
    adminIssuer: data.TENANTRY_ADMIN_ISSUER,
    platformOrganizationId: data.TENANTRY_PLATFORM_ORGANIZATION_ID,
    webhookSecret: undefined,
  };
}

/** Events that the control plane subscribes to. */
const webhookEvents = [
  'organization_membership.created',
  'organization_membership.updated',
  'organization_membership.deleted',
  'user.deleted',
  'organization.deleted',
];

/** Prepares the stand-in as an environment: an organization of administrators, and a webhook endpoint for the control plane. */
export async function identityOfStandIn(workos: WorkosStandIn, controlPlaneUrl: string): Promise<Identity> {
  const { apiUrl, apiKey, clientId, issuer, adminIssuer } = workos;
  const url = `${controlPlaneUrl}/webhooks/workos`;
  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const answer = await fetch(`${apiUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`the WorkOS stand-in answered ${answer.status} to ${method} ${path}`);
    return answer.json();
  };
  type Endpoint = { endpoint_url: string; secret: string };
  const { data } = (await ask('GET', '/webhook_endpoints?limit=100')) as { data: Endpoint[] };
  const known = data.find((endpoint) => endpoint.endpoint_url === url);
  const { secret } = known ?? ((await ask('POST', '/webhook_endpoints', { endpoint_url: url, events: webhookEvents })) as Endpoint);
  return { apiUrl, apiKey, clientId, issuer, adminIssuer, platformOrganizationId: platformOrganization(workos).id, webhookSecret: secret };
}

const resourcesPath = '/user_management/authkit_oauth_resources';

interface RegisteredResource {
  readonly id: string;
  readonly uri: string;
}

/** All OAuth resources of the environment. */
export async function registeredResources({ apiUrl, apiKey }: Identity): Promise<RegisteredResource[]> {
  const all: RegisteredResource[] = [];
  let after: string | null | undefined;
  do {
    const query = new URLSearchParams({ limit: '100', ...(after ? { after } : {}) });
    const answer = await fetch(`${apiUrl}${resourcesPath}?${query}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    if (!answer.ok) throw new Error(`WorkOS answered ${answer.status} to a list of the OAuth resources`);
    const page = (await answer.json()) as { data: RegisteredResource[]; list_metadata?: { after?: string | null } };
    all.push(...page.data);
    after = page.list_metadata?.after;
  } while (after);
  return all;
}

/** Removes the OAuth resource that a removed installation had registered for itself. */
export async function removeResource(identity: Identity, uri: string): Promise<void> {
  for (const { id } of (await registeredResources(identity)).filter((resource) => resource.uri === uri)) {
    const headers = { authorization: `Bearer ${identity.apiKey}` };
    const answer = await fetch(`${identity.apiUrl}${resourcesPath}/${id}`, { method: 'DELETE', headers });
    if (!answer.ok && answer.status !== 404)
      throw new Error(`WorkOS answered ${answer.status} to the removal of the OAuth resource ${uri}`);
  }
}
