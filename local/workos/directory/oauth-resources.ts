import { newIdentifier } from '../state/identifiers.ts';
import type { OAuthResource } from '../state/records.ts';
import { invalid, notFound, Refusal } from '../state/refusal.ts';
import type { Environment, Store } from '../state/store.ts';

/** Resource indicators of the environment. docs/workos-notes.md quotes WorkOS's reference. */
export class OAuthResources {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get #kept(): Environment {
    return this.#store.environment;
  }

  create(uri: unknown, isDefault: unknown = false): OAuthResource {
    if (typeof uri !== 'string') throw invalid('Validation failed.', [{ field: 'uri', code: 'required' }]);
    const parsed = URL.parse(uri);
    if (parsed === null || uri.includes('#') || uri.includes('*')) throw invalid('Validation failed.', [{ field: 'uri', code: 'invalid' }]);
    if (typeof isDefault !== 'boolean') throw invalid('Validation failed.', [{ field: 'default', code: 'invalid' }]);
    if (this.all().some((other) => other.uri === uri)) {
      throw new Refusal(422, { message: `AuthKit OAuth resource '${uri}' already exists.`, code: 'unprocessable_entity' });
    }
    const time = new Date().toISOString();
    if (isDefault) {
      for (const other of this.all()) {
        if (other.default) this.#kept.resources[other.id] = { ...other, default: false, updated_at: time };
      }
    }
    const resource: OAuthResource = {
      object: 'authkit_oauth_resource',
      id: newIdentifier('authkit_oauth_resource'),
      uri,
      default: isDefault,
      created_at: time,
      updated_at: time,
    };
    this.#kept.resources[resource.id] = resource;
    this.#store.save();
    return resource;
  }

  all(): OAuthResource[] {
    return Object.values(this.#kept.resources);
  }

  delete(id: string): void {
    if (this.#kept.resources[id] === undefined) throw notFound('AuthKit OAuth resource', id);
    delete this.#kept.resources[id];
    this.#store.save();
  }
}
