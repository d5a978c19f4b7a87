import { ConflictException, NotFoundException, type Organization as SdkOrganization } from '@workos-inc/node';
import { ExpiringCache } from '../concurrency/expiring-cache.ts';
import { codeOf, ProviderUnavailable, statusOf, type WorkosConnection } from './workos-connection.ts';

export { ProviderUnavailable } from './workos-connection.ts';

/** A user's membership in an organization. */
export type Membership =
  | { readonly member: false }
  /** `roles` are slugs; `role` is the primary one. */
  | { readonly member: true; readonly role: string; readonly roles: readonly string[] };

/** A URL that is registered as an OAuth resource: docs/workos-notes.md. */
export interface RegisteredResource {
  readonly id: string;
  readonly uri: string;
}

/** The fields of an organization that Tenantry uses. */
export interface Organization {
  readonly id: string;
  readonly externalId: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

const resourcesPath = '/user_management/authkit_oauth_resources';
const organizationMs = 300_000;

/** Recorded in place of an invitation's identifier for a person who was already a member. They are not invited again after leaving. */
export const notNeeded = 'not-needed';

/** Tenantry's changes at WorkOS, and the lookups for them. Every missing answer is a ProviderUnavailable. */
export class IdentityProvider {
  readonly #connection: WorkosConnection;
  readonly #organizations = new ExpiringCache<Organization | undefined>({ maxEntries: 50_000 });

  constructor(connection: WorkosConnection) {
    this.#connection = connection;
  }

  /** The organization, at most five minutes old; undefined when it does not exist. A missing organization is not cached. */
  organization(id: string): Promise<Organization | undefined> {
    const ask = () =>
      this.#connection.read('reading an organization', (sdk) =>
        foundBy(async () => organizationOf(await sdk.organizations.getOrganization(id))),
      );
    return this.#organizations.get(id, ask, (found) => (found === undefined ? 0 : organizationMs));
  }

  /** Removes the organization from the cache. */
  forgetOrganization(id: string): void {
    this.#organizations.forget(id);
  }

  /** Identifiers of all organizations of the environment. All organizations are cached. */
  organizationIds(): Promise<ReadonlySet<string>> {
    return this.#connection.read('listing organizations', async (sdk) => {
      const ids = new Set<string>();
      let after: string | undefined;
      do {
        const page = await sdk.organizations.listOrganizations({ limit: 100, order: 'asc', ...(after === undefined ? {} : { after }) });
        for (const one of page.data) {
          ids.add(one.id);
          this.#organizations.put(one.id, organizationOf(one), organizationMs);
        }
        after = page.listMetadata.after ?? undefined;
      } while (after !== undefined);
      return ids;
    });
  }

  /** Reads the organization with the external id. */
  findOrganization(externalId: string): Promise<Organization | undefined> {
    return this.#connection.read('finding an organization', (sdk) =>
      foundBy(async () => organizationOf(await sdk.organizations.getOrganizationByExternalId(externalId))),
    );
  }

  /** Creates an organization. @returns undefined when an organization with the external id exists. */
  createOrganization(wanted: {
    readonly name: string;
    readonly externalId: string;
    readonly metadata: Record<string, string>;
  }): Promise<Organization | undefined> {
    return this.#connection.write('creating an organization', async (sdk) => {
      try {
        return organizationOf(await sdk.organizations.createOrganization(wanted));
      } catch (error) {
        if (codeOf(error) === 'external_id_already_used' || error instanceof ConflictException) return undefined;
        throw error;
      }
    });
  }

  /** Writes all metadata of an organization. WorkOS's reference does not say whether it keeps keys that are left out. */
  async setMetadata(id: string, metadata: Record<string, string>): Promise<void> {
    await this.#connection.write('marking an organization', (sdk) => sdk.organizations.updateOrganization({ organization: id, metadata }));
    this.forgetOrganization(id);
  }

  /**
   * Invites a person to an organization, unless an invitation exists in any state.
   * @returns the invitation's identifier, or `notNeeded` for a person who is already a member.
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

  /** Registers a URL as an OAuth resource. It finds the registration of an earlier pass that did not record it. */
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

  /** Removes a registration. A missing registration counts as removed. */
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

function organizationOf({ id, externalId, metadata }: SdkOrganization): Organization {
  return { id, externalId: externalId ?? undefined, metadata };
}

async function foundBy<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof NotFoundException) return undefined;
    throw error;
  }
}
