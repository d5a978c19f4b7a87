import type { AdapterPayload } from 'oidc-provider';
import type { Applications } from '../directory/applications.ts';
import type { Application } from '../state/records.ts';
import type { Vault } from '../state/vault.ts';
import { GrantAdapter } from './grant-adapter.ts';

/** All clients: those that registered themselves, and the environment's applications. */
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

/** Converts an application to a client. `Applications` compares its secrets. */
function clientOf(application: Application): AdapterPayload {
  return {
    client_id: application.client_id,
    client_name: application.name,
    token_endpoint_auth_method: 'client_secret_basic',
    // A placeholder that is never compared. oidc-provider requires a secret for clients that authenticate.
    client_secret: application.id,
    // oidc-provider limits a client's scopes to OpenID's, so the application's scopes are checked when a token is issued.
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  };
}
