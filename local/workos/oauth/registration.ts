import type { KoaContextWithOIDC } from 'oidc-provider';
import type { RegistrationSwitches } from '../state/records.ts';
import type { Store } from '../state/store.ts';

/** Change of the switches. A switch that is left out stays unchanged. */
export type RegistrationChange = { readonly [Switch in keyof RegistrationSwitches]?: boolean | undefined };

const discovery = new Set(['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration']);

export class Registration {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  get switches(): RegistrationSwitches {
    return this.#store.environment.registration;
  }

  set(change: RegistrationChange): RegistrationSwitches {
    const { cimd, dcr } = this.switches;
    this.#store.environment.registration = { cimd: change.cimd ?? cimd, dcr: change.dcr ?? dcr };
    this.#store.save();
    return this.switches;
  }

  /** Middleware for oidc-provider, whose own configuration is fixed. While a switch is off, it refuses registration and adapts the metadata. */
  readonly middleware = async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    if (ctx.path === '/oauth2/register' && !this.switches.dcr) {
      ctx.status = 403;
      ctx.body = { error: 'access_denied', error_description: 'Dynamic client registration is not enabled in this environment.' };
      return;
    }
    await next();
    if (!discovery.has(ctx.path) || typeof ctx.body !== 'object' || ctx.body === null) return;
    const metadata = ctx.body as Record<string, unknown>;
    if (!this.switches.dcr) delete metadata['registration_endpoint'];
    if (!this.switches.cimd) delete metadata['client_id_metadata_document_supported'];
  };
}
