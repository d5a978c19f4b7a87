import { createHash, timingSafeEqual } from 'node:crypto';
import { newIdentifier, newSecret } from '../state/identifiers.ts';
import type { Application, ApplicationSecret } from '../state/records.ts';
import { invalid, notFound } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Organizations } from './organizations.ts';

interface Common {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly scopes?: readonly string[] | null | undefined;
}

export interface RedirectTarget {
  readonly uri: string;
  readonly default?: boolean | null | undefined;
}

export type NewApplication =
  | (Common & {
      readonly type: 'oauth';
      readonly redirectUris?: readonly RedirectTarget[] | null | undefined;
      readonly usesPkce?: boolean | null | undefined;
      readonly firstParty: boolean;
      readonly organizationId?: string | null | undefined;
    })
  | (Common & { readonly type: 'm2m'; readonly organizationId: string });

export type ApplicationChange = Partial<Common> & { readonly redirectUris?: readonly RedirectTarget[] | null | undefined };

const allScopes = ['openid', 'profile', 'email', 'offline_access'];

/** Pre-registered clients. https://workos.com/docs/reference/workos-connect/applications */
export class Applications {
  readonly #store: Store;
  readonly #organizations: Organizations;

  constructor(store: Store, organizations: Organizations) {
    this.#store = store;
    this.#organizations = organizations;
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  create(wanted: NewApplication): Application {
    const time = new Date().toISOString();
    const common = {
      object: 'connect_application',
      id: newIdentifier('conn_app'),
      client_id: newIdentifier('client'),
      description: wanted.description ?? null,
      name: wanted.name,
      scopes: wanted.scopes ?? allScopes,
      created_at: time,
      updated_at: time,
    } as const;
    if (wanted.type === 'm2m') {
      const { id } = this.#organizations.one(wanted.organizationId);
      return this.#keep({ ...common, application_type: 'm2m', organization_id: id });
    }
    if (!wanted.firstParty && wanted.organizationId == null) {
      throw invalid('Validation failed.', [{ field: 'organization_id', code: 'required' }]);
    }
    const organization = wanted.organizationId == null ? undefined : this.#organizations.one(wanted.organizationId);
    return this.#keep({
      ...common,
      application_type: 'oauth',
      redirect_uris: targets(wanted.redirectUris ?? []),
      uses_pkce: wanted.usesPkce ?? false,
      is_first_party: wanted.firstParty,
      ...(wanted.firstParty ? {} : { was_dynamically_registered: false }),
      ...(organization === undefined ? {} : { organization_id: organization.id }),
    });
  }

  all(): Application[] {
    return Object.values(this.#kept.applications);
  }

  /** Returns the application by its own identifier or that of its client. */
  one(id: string): Application {
    const found = this.#kept.applications[id] ?? this.byClientId(id);
    if (found === undefined) throw notFound('Connect Application', id);
    return found;
  }

  byClientId(clientId: string): Application | undefined {
    return this.all().find((application) => application.client_id === clientId);
  }

  update(id: string, change: ApplicationChange): Application {
    const before = this.one(id);
    const changed = {
      ...before,
      name: change.name ?? before.name,
      description: change.description === undefined ? before.description : change.description,
      scopes: change.scopes ?? before.scopes,
      updated_at: new Date().toISOString(),
    };
    if (change.redirectUris == null) return this.#keep(changed);
    if (changed.application_type === 'm2m') throw invalid('Validation failed.', [{ field: 'redirect_uris', code: 'not_allowed' }]);
    return this.#keep({ ...changed, redirect_uris: targets(change.redirectUris) });
  }

  /** Removes the application and its secrets. */
  delete(id: string): void {
    const application = this.one(id);
    for (const secret of this.secrets(application.id)) delete this.#kept.applicationSecrets[secret.id];
    delete this.#kept.applications[application.id];
    this.#store.save();
  }

  secrets(applicationId: string): ApplicationSecret[] {
    return Object.values(this.#kept.applicationSecrets).filter((secret) => secret.application_id === applicationId);
  }

  /** Creates a secret. Its value is returned only once. */
  addSecret(id: string): { readonly kept: ApplicationSecret; readonly secret: string } {
    const secret = newSecret();
    const time = new Date().toISOString();
    const kept: ApplicationSecret = {
      object: 'connect_application_secret',
      id: newIdentifier('secret'),
      application_id: this.one(id).id,
      secret_hint: secret.slice(-4),
      sha256: digest(secret).toString('base64url'),
      last_used_at: null,
      created_at: time,
      updated_at: time,
    };
    this.#kept.applicationSecrets[kept.id] = kept;
    this.#store.save();
    return { kept, secret };
  }

  deleteSecret(id: string): void {
    if (this.#kept.applicationSecrets[id] === undefined) throw notFound('Client Secret', id);
    delete this.#kept.applicationSecrets[id];
    this.#store.save();
  }

  /** Tells whether the value is one of the application's secrets. A match is recorded as a use of the secret. */
  proves(application: Application, secret: string): boolean {
    const given = digest(secret);
    const found = this.secrets(application.id).find(({ sha256 }) => timingSafeEqual(Buffer.from(sha256, 'base64url'), given));
    if (found === undefined) return false;
    this.#kept.applicationSecrets[found.id] = { ...found, last_used_at: new Date().toISOString() };
    this.#store.save();
    return true;
  }

  #keep(application: Application): Application {
    this.#kept.applications[application.id] = application;
    this.#store.save();
    return application;
  }
}

/** Ensures one default: the first target, unless another is marked. */
function targets(wanted: readonly RedirectTarget[]): { readonly uri: string; readonly default: boolean }[] {
  const invalidOne = wanted.findIndex(({ uri }) => URL.parse(uri) === null);
  if (invalidOne !== -1) throw invalid('Validation failed.', [{ field: `redirect_uris.${invalidOne}.uri`, code: 'invalid' }]);
  const chosen = Math.max(
    0,
    wanted.findIndex((one) => one.default === true),
  );
  return wanted.map(({ uri }, index) => ({ uri, default: index === chosen }));
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
