import {
  Client,
  type OAuthClientInformationMixed,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type OAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { signInByScript } from './workos/sign-in-by-script.ts';

/** Redirect URI of a desktop client. No server listens there, because the redirect is read and not followed. */
const redirectUrl = 'http://127.0.0.1:41999/callback';

/** OAuth provider of an MCP client, like that of a desktop client. It keeps its data in this process. */
class MemoryProvider implements OAuthClientProvider {
  readonly redirectUrl = redirectUrl;
  readonly clientMetadata: OAuthClientMetadata = {
    client_name: 'Tenantry local',
    redirect_uris: [redirectUrl],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
  authorizationUrl: URL | undefined;
  #client: OAuthClientInformationMixed | undefined;
  #tokens: OAuthTokens | undefined;
  #verifier = '';
  #discovery: OAuthDiscoveryState | undefined;

  clientInformation(): OAuthClientInformationMixed | undefined {
    return this.#client;
  }
  saveClientInformation(client: OAuthClientInformationMixed): void {
    this.#client = client;
  }
  tokens(): OAuthTokens | undefined {
    return this.#tokens;
  }
  saveTokens(tokens: OAuthTokens): void {
    this.#tokens = tokens;
  }
  redirectToAuthorization(url: URL): void {
    this.authorizationUrl = url;
  }
  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }
  codeVerifier(): string {
    return this.#verifier;
  }
  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.#discovery = state;
  }
  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovery;
  }
}

export interface Session {
  readonly client: Client;
  readonly accessToken: string;
}

/**
 * Connects to an MCP endpoint as a user of a desktop client does: gets the 401, reads the metadata, registers, signs in by
 * authorization code with PKCE, and opens the session. The official client does everything except entering the password.
 */
export async function signIn(mcpUrl: string, account: { email: string; password: string }): Promise<Session> {
  const provider = new MemoryProvider();
  const first = new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: provider });
  await new Client({ name: 'tenantry-local', version: '1' }, { versionNegotiation: { mode: 'auto' } }).connect(first).then(
    () => {
      throw new Error(`${mcpUrl} let a client in that has not signed in`);
    },
    (error: unknown) => {
      if (!(error instanceof UnauthorizedError)) throw error;
    },
  );
  if (!provider.authorizationUrl) throw new Error(`${mcpUrl} did not lead to a sign-in page`);
  const redirect = await signInByScript(provider.authorizationUrl, account);
  await first.finishAuth(redirect.searchParams);
  const client = new Client({ name: 'tenantry-local', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  await client.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), { authProvider: provider }));
  return { client, accessToken: provider.tokens()?.access_token ?? '' };
}

/** Connects with a bearer token or API key, as a machine does. */
export async function connectWithToken(mcpUrl: string, token: string): Promise<Client> {
  const client = new Client({ name: 'tenantry-local', version: '1' }, { versionNegotiation: { mode: 'auto' } });
  const transport = new StreamableHTTPClientTransport(new URL(mcpUrl), { requestInit: { headers: { authorization: `Bearer ${token}` } } });
  await client.connect(transport);
  return client;
}
