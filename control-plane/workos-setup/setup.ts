import type { WorkOS } from '@workos-inc/node';
import { z } from 'zod';
import { ProviderUnavailable, statusOf, WorkosConnection } from '../identity/workos-connection.ts';
import { neededEvents, neededPermissions, neededRoles } from './needs.ts';
import { type AuthorizationServer, planWorkos, type WorkosEnvironment, type WorkosFinding, type WorkosStep } from './plan.ts';

export { ProviderUnavailable } from '../identity/workos-connection.ts';
export type { WorkosFinding } from './plan.ts';

export interface WorkosSetupOptions {
  readonly apiKey: string;
  readonly clientId: string;
  /** Origin of the API. */
  readonly apiUrl: string;
  /** The AuthKit domain, the value of TENANTRY_OAUTH_ISSUER. */
  readonly oauthIssuer: string;
  /** Redirect URIs of the installation's own applications. */
  readonly redirectUris: readonly string[];
  /** `https://<control plane>/webhooks/workos`; undefined when WorkOS cannot reach the control plane. */
  readonly webhookUrl: string | undefined;
  readonly signal: AbortSignal;
}

/** Compares the environment with the needs of Tenantry. It changes nothing. @throws ProviderUnavailable */
export async function checkWorkos(options: WorkosSetupOptions): Promise<WorkosFinding[]> {
  const { items } = await look(options);
  return items.map(({ finding }) => finding);
}

/**
 * Creates missing parts as far as the API can. A second run finds nothing to do.
 * @returns the secret of a new webhook endpoint, for WORKOS_WEBHOOK_SECRET.
 * @throws ProviderUnavailable
 */
export async function setupWorkos(options: WorkosSetupOptions): Promise<{ findings: WorkosFinding[]; webhookSecret?: string }> {
  const { connection, items } = await look(options);
  const findings: WorkosFinding[] = [];
  let webhookSecret: string | undefined;
  for (const { finding, steps } of items) {
    let last: Done | undefined;
    for (const step of steps) {
      options.signal.throwIfAborted();
      last = await take(connection, step);
      webhookSecret = last.webhookSecret ?? webhookSecret;
    }
    findings.push(last === undefined ? finding : { item: finding.item, state: last.state, detail: last.detail });
  }
  return { findings, ...(webhookSecret === undefined ? {} : { webhookSecret }) };
}

async function look(options: WorkosSetupOptions) {
  const connection = new WorkosConnection(options);
  const has = await observe(connection, options);
  const wanted = {
    permissions: neededPermissions,
    roles: neededRoles,
    events: neededEvents,
    redirectUris: options.redirectUris,
    webhookUrl: options.webhookUrl,
    oauthIssuer: options.oauthIssuer,
  };
  return { connection, items: planWorkos(has, wanted) };
}

async function observe(connection: WorkosConnection, { oauthIssuer, signal }: WorkosSetupOptions): Promise<WorkosEnvironment> {
  const all = { limit: 100, order: 'asc' } as const;
  const permissions = await connection.read('listing permissions', async (sdk) =>
    (await sdk.authorization.listPermissions(all)).autoPagination(),
  );
  const roles = await connection.read('listing roles', async (sdk) => (await sdk.authorization.listEnvironmentRoles()).data);
  const webhooks = await connection.read('listing webhook endpoints', async (sdk) =>
    (await sdk.webhooks.listWebhookEndpoints(all)).autoPagination(),
  );
  const keys = await get(connection.sessionKeysUrl, signal);
  return {
    permissions: permissions.map(({ slug }) => slug),
    roles: roles.map(({ slug, permissions: of }) => ({ slug, permissions: of })),
    webhooks: webhooks.map(({ id, endpointUrl, events, status }) => ({ id, url: endpointUrl, events, enabled: status === 'enabled' })),
    clientKnown: keys.ok,
    metadata: await metadataOf(oauthIssuer, signal),
  };
}

const serverMetadata = z.object({
  issuer: z.string(),
  registration_endpoint: z.string().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
});

/** Metadata of RFC 8414 with the fields about the registration of clients. */
async function metadataOf(issuer: string, signal: AbortSignal): Promise<AuthorizationServer | undefined> {
  const answer = await get(new URL(`${issuer}/.well-known/oauth-authorization-server`), signal).catch(() => undefined);
  if (answer === undefined || !answer.ok) return undefined;
  const known = serverMetadata.safeParse(await answer.json().catch(() => undefined));
  if (!known.success) return undefined;
  const { registration_endpoint: dcr, client_id_metadata_document_supported: cimd = false } = known.data;
  return { issuer: known.data.issuer, cimd, dcr: dcr !== undefined };
}

function get(url: URL, signal: AbortSignal): Promise<Response> {
  return fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(5_000)]), redirect: 'error' }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new ProviderUnavailable(`reading ${url.pathname}`, undefined, { cause });
  });
}

interface Done {
  readonly state: 'ok' | 'created' | 'changed';
  readonly detail: string;
  readonly webhookSecret?: string;
}

async function take(connection: WorkosConnection, step: WorkosStep): Promise<Done> {
  const write = <T>(what: string, request: (sdk: WorkOS) => Promise<T>) => connection.write(what, request);
  switch (step.kind) {
    case 'create-permission':
      await write('creating a permission', (sdk) => sdk.authorization.createPermission({ ...step.permission }));
      return { state: 'created', detail: 'Created.' };
    case 'create-role': {
      const { slug, name, permissions } = step.role;
      await write('creating a role', (sdk) => sdk.authorization.createEnvironmentRole({ slug, name }));
      await write('giving a role its permissions', (sdk) =>
        sdk.authorization.setEnvironmentRolePermissions(slug, { permissions: [...permissions] }),
      );
      return { state: 'created', detail: permissions.length === 0 ? 'Created.' : `Created with ${permissions.join(', ')}.` };
    }
    case 'add-permission':
      await write('giving a role a permission', (sdk) =>
        sdk.authorization.addEnvironmentRolePermission(step.role, { permissionSlug: step.permission }),
      );
      return { state: 'changed', detail: 'Added the missing permissions.' };
    case 'add-redirect-uri':
      return write('adding a redirect URI', async (sdk) => {
        try {
          await sdk.post('/user_management/redirect_uris', { uri: step.uri });
          return { state: 'created', detail: 'Added.' };
        } catch (error) {
          // The only refusal of a valid URI: https://workos.com/docs/reference/authkit/redirect-uri
          if (statusOf(error) === 422 && /already exists/i.test(String(error))) return { state: 'ok', detail: 'Exists.' };
          throw error;
        }
      });
    case 'create-webhook': {
      const { url: endpointUrl, events } = step;
      const { secret } = await write('creating a webhook endpoint', (sdk) =>
        sdk.webhooks.createWebhookEndpoint({ endpointUrl, events: eventNames(events) }),
      );
      return { state: 'created', detail: 'Created. Set WORKOS_WEBHOOK_SECRET to its secret.', webhookSecret: secret };
    }
    case 'change-webhook':
      await write('changing a webhook endpoint', (sdk) =>
        sdk.webhooks.updateWebhookEndpoint({ id: step.id, events: eventNames(step.events), status: 'enabled' }),
      );
      return { state: 'changed', detail: 'Enabled, with all needed events.' };
  }
}

type EventNames = Parameters<WorkOS['webhooks']['createWebhookEndpoint']>[0]['events'];

/** Event names from our list of needs, or from an existing endpoint. */

function eventNames(events: readonly string[]): EventNames {
  return events as unknown as EventNames;
}
