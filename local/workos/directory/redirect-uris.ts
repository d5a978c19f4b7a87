import { newIdentifier } from '../state/identifiers.ts';
import type { RedirectUri } from '../state/records.ts';
import { Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';

/** Redirect URIs of the environment's own applications. The API can only add them. https://workos.com/docs/reference/authkit/redirect-uri */
export class RedirectUris {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get #kept(): Environment['redirectUris'] {
    return this.#store.environment.redirectUris;
  }

  add(uri: string): RedirectUri {
    if (URL.parse(uri) === null || uri.includes('#')) {
      throw new Refusal(400, { message: `'${uri}' is not a redirect URI.`, code: 'bad_request' });
    }
    const others = Object.values(this.#kept);
    if (others.some((other) => other.uri === uri)) {
      throw new Refusal(422, { message: `Redirect URI '${uri}' already exists.`, code: 'unprocessable_entity' });
    }
    const time = new Date().toISOString();
    const added: RedirectUri = {
      object: 'redirect_uri',
      id: newIdentifier('ruri'),
      uri,
      default: others.length === 0,
      created_at: time,
      updated_at: time,
    };
    this.#kept[added.id] = added;
    this.#store.save();
    return added;
  }
}
