import { newIdentifier } from '../state/identifiers.ts';
import type { CorsOrigin, RedirectUri } from '../state/records.ts';
import { Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';

/** Allowed addresses of the environment's applications: redirect URIs of sign-ins, and origins whose scripts may read the API's answers. */
export class Origins {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  addRedirectUri(uri: string): RedirectUri {
    const parsed = URL.parse(uri);
    if (parsed === null || uri.includes('#')) throw new Refusal(400, { message: `'${uri}' is no redirect URI.`, code: 'bad_request' });
    if (this.redirectUris().some((other) => other.uri === uri)) {
      throw new Refusal(422, { message: `Redirect URI '${uri}' already exists.`, code: 'unprocessable_entity' });
    }
    const time = new Date().toISOString();
    const isFirst = this.redirectUris().length === 0;
    const added: RedirectUri = {
      object: 'redirect_uri',
      id: newIdentifier('ruri'),
      uri,
      default: isFirst,
      created_at: time,
      updated_at: time,
    };
    this.#kept.redirectUris[added.id] = added;
    this.#store.save();
    return added;
  }

  redirectUris(): RedirectUri[] {
    return Object.values(this.#kept.redirectUris);
  }

  addCorsOrigin(origin: string): CorsOrigin {
    if (URL.parse(origin)?.origin !== origin) {
      throw new Refusal(422, {
        message: 'Validation failed.',
        errors: [{ property: 'origin', constraints: { isOrigin: 'origin must be an origin, such as https://example.com' } }],
      });
    }
    if (this.allowsOrigin(origin)) throw new Refusal(409, { code: 'duplicate_cors_origin', message: 'CORS origin already exists.' });
    const time = new Date().toISOString();
    const added: CorsOrigin = { object: 'cors_origin', id: newIdentifier('cors_origin'), origin, created_at: time, updated_at: time };
    this.#kept.corsOrigins[added.id] = added;
    this.#store.save();
    return added;
  }

  allowsOrigin(origin: string): boolean {
    return Object.values(this.#kept.corsOrigins).some((other) => other.origin === origin);
  }
}
