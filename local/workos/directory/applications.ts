import { createHash, timingSafeEqual } from 'node:crypto';
import { newIdentifier, newSecret } from '../state/identifiers.ts';
import type { Application, ApplicationSecret } from '../state/records.ts';
import { notFound } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';
import type { Organizations } from './organizations.ts';

export interface NewApplication {
  readonly name: string;
  readonly description?: string | null | undefined;
  /** OpenID's scopes when left out. */
  readonly scopes?: readonly string[] | null | undefined;
  readonly organizationId: string;
}

/** Machine-to-machine applications. https://workos.com/docs/reference/workos-connect/applications */
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
    const application: Application = {
      object: 'connect_application',
      id: newIdentifier('conn_app'),
      client_id: newIdentifier('client'),
      description: wanted.description ?? null,
      name: wanted.name,
      scopes: wanted.scopes ?? ['openid', 'profile', 'email', 'offline_access'],
      application_type: 'm2m',
      organization_id: this.#organizations.one(wanted.organizationId).id,
      created_at: time,
      updated_at: time,
    };
    this.#kept.applications[application.id] = application;
    this.#store.save();
    return application;
  }

  byClientId(clientId: string): Application | undefined {
    return Object.values(this.#kept.applications).find((application) => application.client_id === clientId);
  }

  /** Creates a secret. An application may have several, for rotation without downtime. Its value is returned only once. */
  addSecret(id: string): { readonly kept: ApplicationSecret; readonly secret: string } {
    if (this.#kept.applications[id] === undefined) throw notFound('Connect Application', id);
    const secret = newSecret();
    const time = new Date().toISOString();
    const kept: ApplicationSecret = {
      object: 'connect_application_secret',
      id: newIdentifier('secret'),
      application_id: id,
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

  /** Tells whether the value is one of the application's secrets. */
  proves({ id }: Application, secret: string): boolean {
    const given = digest(secret);
    return Object.values(this.#kept.applicationSecrets).some(
      ({ application_id, sha256 }) => application_id === id && timingSafeEqual(Buffer.from(sha256, 'base64url'), given),
    );
  }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
