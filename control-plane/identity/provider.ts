import { ConflictException, NotFoundException, type Organization as SdkOrganization } from '@workos-inc/node';
import { ExpiringCache } from '../concurrency/expiring-cache.ts';
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

/** An organization as far as Tenantry looks at it. */
export interface Organization {
  readonly id: string;
  readonly externalId: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

const resourcesPath = '/user_management/authkit_oauth_resources';
const organizationMs = 300_000;

/** Recorded in place of an invitation's identifier for somebody who was a member already, and must not be invited when they have gone. */
export const notNeeded = 'not-needed';

/** What Tenantry changes at WorkOS, and what it looks up to do so. Every failure to answer is a ProviderUnavailable. */
export class IdentityProvider {
  readonly #connection: WorkosConnection;
  readonly #organizations = new ExpiringCache<Organization | undefined>({ maxEntries: 50_000 });

  constructor(connection: WorkosConnection) {
    this.#connection = connection;
  }

  /** The organization as it was within the last five minutes; undefined where there is none, which is not remembered. */
  organization(id: string): Promise<Organization | undefined> {
    const ask = () =>
      this.#connection.read('reading an organization', (sdk) =>
        foundBy(async () => organizationOf(await sdk.organizations.getOrganization(id))),
      );
    return this.#organizations.get(id, ask, (found) => (found === undefined ? 0 : organizationMs));
  }

  /** Has the organization read anew when it is asked for next. */
  forgetOrganization(id: string): void {
    this.#organizations.forget(id);
  }

  /** Identifiers of all organizations of the environment. Each is remembered as if it had been asked for. */
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

  /** The organization that carries the external id, as it is now. */
  findOrganization(externalId: string): Promise<Organization | undefined> {
    return this.#connection.read('finding an organization', (sdk) =>
      foundBy(async () => organizationOf(await sdk.organizations.getOrganizationByExternalId(externalId))),
    );
  }

  /** Creates an organization. @returns undefined where one carries the external id already. */
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

  /** Writes all metadata of an organization: whether WorkOS keeps keys that are left out, its reference does not say. */
  async setMetadata(id: string, metadata: Record<string, string>): Promise<void> {
    await this.#connection.write('marking an organization', (sdk) => sdk.organizations.updateOrganization({ organization: id, metadata }));
    this.forgetOrganization(id);
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
