import { NotFoundException, WorkOS } from '@workos-inc/node';
import { ExpiringCache } from './expiring-cache.ts';

export interface ProviderOptions {
  readonly apiKey: string;
  readonly clientId: string;
  /** Origin of the API. */
  readonly apiUrl: string;
  /** Told of each request to WorkOS. */
  readonly observe?: (operation: string, outcome: 'ok' | 'refused' | 'unavailable') => void;
}

/** WorkOS did not answer, or refuses this installation's API key. Says nothing of what was sent. */
export class ProviderUnavailable extends Error {
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;

  constructor(operation: string, status: number | undefined, options: { cause?: unknown } = {}) {
    const said =
      status === 401 || status === 403
        ? `WorkOS refused the API key (HTTP ${status}): correct WORKOS_API_KEY`
        : `WorkOS ${status === undefined ? 'did not answer' : `answered HTTP ${status}`}`;
    super(`${said}; ${operation}`, options);
    this.status = status;
  }
}

/** What a user is in an organization. */
export type Membership =
  | { readonly member: false }
  /** `roles` are slugs, `role` the primary one among them. */
  | { readonly member: true; readonly role: string; readonly roles: readonly string[] };

/** A URL registered as OAuth resource: docs/workos-notes.md. */
export interface RegisteredResource {
  readonly id: string;
  readonly uri: string;
}

const resourcesPath = '/user_management/authkit_oauth_resources';
/** A removed member is out within the sidecar's 30 s and these 15 s. */
const memberMs = 15_000;
const strangerMs = 5_000;
const organizationMs = 300_000;

/** WorkOS, as far as Tenantry needs it. Every failure to answer is a ProviderUnavailable. */
export class IdentityProvider {
  readonly #sdk: WorkOS;
  readonly #clientId: string;
  readonly #observe: NonNullable<ProviderOptions['observe']>;
  readonly #members = new ExpiringCache<Membership>();
  readonly #organizations = new ExpiringCache<boolean>();

  constructor(options: ProviderOptions) {
    const url = new URL(options.apiUrl);
    const https = url.protocol === 'https:';
    this.#clientId = options.clientId;
    this.#observe = options.observe ?? (() => {});
    this.#sdk = new WorkOS(options.apiKey, {
      clientId: options.clientId,
      apiHostname: url.hostname,
      https,
      port: Number(url.port) || (https ? 443 : 80),
      // The default of 3 takes 6 s to say that a host is down; callers have a retry of their own.
      maxRetries: 1,
      timeout: 5_000,
    });
  }

  /** Keys of session access tokens. */
  get sessionKeysUrl(): URL {
    return new URL(this.#sdk.userManagement.getJwksUrl(this.#clientId));
  }

  /** Whether the organization exists; a yes is remembered for five minutes. */
  organizationExists(id: string): Promise<boolean> {
    const ask = () =>
      this.#ask('reading an organization', async () => {
        try {
          await this.#sdk.organizations.getOrganization(id);
          return true;
        } catch (error) {
          if (error instanceof NotFoundException) return false;
          throw error;
        }
      });
    return this.#organizations.get(id, ask, (exists) => (exists ? organizationMs : 0));
  }

  /** Whether the user is an active member of the organization, and in which role. */
  membership(userId: string, organizationId: string): Promise<Membership> {
    const ask = () =>
      this.#ask('reading a membership', async (): Promise<Membership> => {
        const { data } = await this.#sdk.userManagement.listOrganizationMemberships({ userId, organizationId, statuses: ['active'] });
        // Checked again here: an answer that ignored a filter would let strangers in.
        const found = data.find((one) => one.userId === userId && one.organizationId === organizationId && one.status === 'active');
        if (found === undefined) return { member: false };
        const roles = new Set([found.role.slug, ...(found.roles ?? []).map(({ slug }) => slug)]);
        return { member: true, role: found.role.slug, roles: [...roles] };
      });
    return this.#members.get(`${organizationId} ${userId}`, ask, ({ member }) => (member ? memberMs : strangerMs));
  }

  /** Registers a URL as OAuth resource. One that is registered already, by a pass that did not get to record it, is found again. */
  async registerResource(uri: string): Promise<RegisteredResource> {
    const created = await this.#ask('registering an OAuth resource', async () => {
      try {
        return (await this.#sdk.post<RegisteredResource>(resourcesPath, { uri })).data;
      } catch (error) {
        if (statusOf(error) === 422 || statusOf(error) === 409) return undefined;
        throw error;
      }
    });
    const found = created ?? (await this.resources()).find((resource) => resource.uri === uri);
    if (found === undefined) throw new ProviderUnavailable('registering an OAuth resource', 422);
    return { id: found.id, uri: found.uri };
  }

  /** All resources of the environment. */
  resources(): Promise<RegisteredResource[]> {
    return this.#ask('listing OAuth resources', async () => {
      const all: RegisteredResource[] = [];
      let after: string | undefined;
      do {
        const query = { limit: 100, order: 'asc', ...(after === undefined ? {} : { after }) };
        const { data: page } = await this.#sdk.get<{ data: RegisteredResource[]; list_metadata?: { after?: string | null } }>(
          resourcesPath,
          { query },
        );
        all.push(...page.data);
        after = page.list_metadata?.after ?? undefined;
      } while (after !== undefined);
      return all;
    });
  }

  /** Removes a registration; one that is gone already is success. */
  async removeResource(id: string): Promise<void> {
    await this.#ask('removing an OAuth resource', async () => {
      try {
        await this.#sdk.delete(`${resourcesPath}/${encodeURIComponent(id)}`);
      } catch (error) {
        if (!(error instanceof NotFoundException)) throw error;
      }
    });
  }

  async #ask<T>(operation: string, request: () => Promise<T>): Promise<T> {
    try {
      const answer = await request();
      this.#observe(operation, 'ok');
      return answer;
    } catch (error) {
      const status = statusOf(error);
      this.#observe(operation, status !== undefined && status < 500 ? 'refused' : 'unavailable');
      throw new ProviderUnavailable(operation, status, { cause: withoutBody(error) });
    }
  }
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : undefined;
}

/** The SDK's errors carry answers, which may hold personal data; the log gets name and message. */
function withoutBody(error: unknown): Error {
  return new Error(error instanceof Error ? `${error.name}: ${error.message}` : 'unknown');
}
