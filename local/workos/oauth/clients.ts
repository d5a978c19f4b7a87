import type { AdapterPayload } from 'oidc-provider';
import type { Applications } from '../directory/applications.ts';
import type { Application } from '../state/records.ts';
import type { Vault } from '../state/vault.ts';
import { GrantAdapter } from './grant-adapter.ts';

/** All clients: those that registered themselves, and the environment's Connect applications. */
export class ClientAdapter extends GrantAdapter {
  readonly #applications: Applications;

  constructor(vault: Vault, applications: Applications) {
    super('Client', vault);
    this.#applications = applications;
  }

  override async find(id: string): Promise<AdapterPayload | undefined> {
    const application = this.#applications.byClientId(id);
    return application === undefined ? super.find(id) : clientOf(application);
  }
}

/** Converts an application to a client. A client with PKCE is public. `Applications` compares the secrets of the others. */
function clientOf(application: Application): AdapterPayload {
  const common = { client_id: application.client_id, client_name: application.name };
  // A placeholder that is never compared. oidc-provider requires a secret for clients that authenticate.
  const secret = { token_endpoint_auth_method: 'client_secret_basic', client_secret: application.id } as const;
  if (application.application_type === 'm2m') {
    // oidc-provider limits a client's scopes to OpenID's, so the application's scopes are checked when a token is issued.
    return { ...common, ...secret, grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };
  }
  return {
    ...common,
    scope: application.scopes.join(' '),
    ...(application.uses_pkce ? { token_endpoint_auth_method: 'none' as const } : secret),
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: application.redirect_uris.map(({ uri }) => uri),
  };
}
