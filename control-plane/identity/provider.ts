import { ConflictException, NotFoundException } from '@workos-inc/node';
import { ExpiringCache } from './expiring-cache.ts';
import { codeOf, ProviderUnavailable, statusOf, type WorkosConnection } from './workos-connection.ts';

export { ProviderUnavailable } from './workos-connection.ts';

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
const organizationMs = 300_000;

/** Recorded in place of an invitation's identifier for somebody who was a member already, and must not be invited when they have gone. */
export const notNeeded = 'not-needed';

/** What Tenantry changes at WorkOS, and what it looks up to do so. Every failure to answer is a ProviderUnavailable. */
export class IdentityProvider {
  readonly #connection: WorkosConnection;
  readonly #organizations = new ExpiringCache<boolean>();

  constructor(connection: WorkosConnection) {
    this.#connection = connection;
  }

  /** Whether the organization exists; a yes is remembered for five minutes. */
  organizationExists(id: string): Promise<boolean> {
    const ask = () =>
      this.#connection.read('reading an organization', async (sdk) => {
        try {
          await sdk.organizations.getOrganization(id);
          return true;
        } catch (error) {
          if (error instanceof NotFoundException) return false;
          throw error;
        }
      });
    return this.#organizations.get(id, ask, (exists) => (exists ? organizationMs : 0));
  }

  /** The identifier of the organization that carries the external id. */
  findOrganization(externalId: string): Promise<string | undefined> {
    return this.#connection.read('finding an organization', async (sdk) => {
      try {
        return (await sdk.organizations.getOrganizationByExternalId(externalId)).id;
      } catch (error) {
        if (error instanceof NotFoundException) return undefined;
        throw error;
      }
    });
  }

  /** Creates an organization unless one carries the external id already. @returns its identifier. */
  async ensureOrganization(name: string, externalId: string): Promise<string> {
    const known = await this.findOrganization(externalId);
    if (known !== undefined) return known;
    const created = await this.#connection.write('creating an organization', async (sdk) => {
      try {
        return (await sdk.organizations.createOrganization({ name, externalId })).id;
      } catch (error) {
        if (codeOf(error) === 'external_id_already_used' || error instanceof ConflictException) return undefined;
        throw error;
      }
    });
    const id = created ?? (await this.findOrganization(externalId));
    if (id === undefined) throw new ProviderUnavailable('creating an organization', 409);
    return id;
  }

  /**
   * Invites somebody to an organization, unless that was done before: then that invitation counts, whatever became of it.
   * @returns the invitation's identifier, or `notNeeded` for who is a member already.
   */
  async ensureInvitation(email: string, organizationId: string, roleSlug: string): Promise<string> {
    const before = await this.#connection.read('finding an invitation', async (sdk) => {
      const { data } = await sdk.userManagement.listInvitations({ email, organizationId, limit: 1, order: 'asc' });
      return data.find((one) => one.organizationId === organizationId)?.id;
    });
    if (before !== undefined) return before;
    return this.#connection.write('sending an invitation', async (sdk) => {
      try {
        return (await sdk.userManagement.sendInvitation({ email, organizationId, roleSlug })).id;
      } catch (error) {
        if (codeOf(error) === 'user_already_organization_member') return notNeeded;
        throw error;
      }
    });
  }

  /** Registers a URL as OAuth resource. One that is registered already, by a pass that did not get to record it, is found again. */
  async registerResource(uri: string): Promise<RegisteredResource> {
    const created = await this.#connection.write('registering an OAuth resource', async (sdk) => {
      try {
        return (await sdk.post<RegisteredResource>(resourcesPath, { uri })).data;
      } catch (error) {
        if (statusOf(error) === 422 || error instanceof ConflictException) return undefined;
        throw error;
      }
    });
    const found = created ?? (await this.resources()).find((resource) => resource.uri === uri);
    if (found === undefined) throw new ProviderUnavailable('registering an OAuth resource', 422);
    return { id: found.id, uri: found.uri };
  }

  /** All resources of the environment. */
  resources(): Promise<RegisteredResource[]> {
    return this.#connection.read('listing OAuth resources', async (sdk) => {
      const all: RegisteredResource[] = [];
      let after: string | undefined;
      do {
        const query = { limit: 100, order: 'asc', ...(after === undefined ? {} : { after }) };
        const { data: page } = await sdk.get<{ data: RegisteredResource[]; list_metadata?: { after?: string | null } }>(resourcesPath, {
          query,
        });
        all.push(...page.data);
        after = page.list_metadata?.after ?? undefined;
      } while (after !== undefined);
      return all;
    });
  }

  /** Removes a registration; one that is gone already is success. */
  async removeResource(id: string): Promise<void> {
    await this.#connection.write('removing an OAuth resource', async (sdk) => {
      try {
        await sdk.delete(`${resourcesPath}/${encodeURIComponent(id)}`);
      } catch (error) {
        if (!(error instanceof NotFoundException)) throw error;
      }
    });
  }
}
