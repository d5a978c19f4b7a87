import type { WorkosSetupOptions } from '../../control-plane/workos-setup/setup.ts';
import { isSecure, secureOnly } from '../config/secure-url.ts';
import { Failure } from '../failure.ts';
import type { Invocation } from '../invocation.ts';

/** Options that describe the WorkOS environment. */
export interface EnvironmentOptions {
  readonly clientId?: string;
  readonly oauthIssuer?: string;
  readonly redirectUri?: readonly string[];
  readonly webhookUrl?: string;
}

interface Setup {
  readonly module: typeof import('../../control-plane/workos-setup/setup.ts');
  readonly options: WorkosSetupOptions;
}

/** Runs `ask` with its options. Distinguishes a refusal by WorkOS from an outage. */
export async function asked<T>(ask: (setup: Setup) => Promise<T>, invocation: Invocation, options: EnvironmentOptions): Promise<T> {
  const { terminal } = invocation;
  const told = options.clientId === undefined || options.oauthIssuer === undefined ? await configOf(invocation) : {};
  const clientId = options.clientId ?? told.clientId;
  const oauthIssuer = options.oauthIssuer ?? told.authorizationServer;
  if (clientId === undefined || oauthIssuer === undefined)
    throw new Failure('usage', `${clientId === undefined ? 'The client ID' : 'The AuthKit domain'} is not known.`, {
      remedy: 'Say --client-id client_... and --oauth-issuer https://<name>.authkit.app; both stand in the WorkOS Dashboard.',
    });
  // Loaded on demand, because WorkOS's SDK is slow to load and other commands do not need it.
  const module = await import('../../control-plane/workos-setup/setup.ts');
  try {
    return await ask({
      module,
      options: {
        apiKey: await apiKey(invocation),
        clientId,
        // Not taken from the control plane: it must not decide where the API key is sent.
        apiUrl: secureUrl(terminal.env['WORKOS_API_URL'] || 'https://api.workos.com', 'WORKOS_API_URL').origin,
        oauthIssuer: secureUrl(oauthIssuer, '--oauth-issuer').href.replace(/\/+$/, ''),
        redirectUris: options.redirectUri ?? [],
        webhookUrl: options.webhookUrl === undefined ? undefined : secureUrl(options.webhookUrl, '--webhook-url').href,
        signal: terminal.signal,
      },
    });
  } catch (error) {
    if (!(error instanceof module.ProviderUnavailable)) throw error;
    const refused = error.status === 401 || error.status === 403;
    throw new Failure(refused ? 'notAuthorized' : 'unavailable', error.message, {
      remedy: refused
        ? 'Take the API key from WorkOS Dashboard > API keys, of the environment that is meant.'
        : 'Look whether this machine may reach WorkOS, and try again.',
    });
  }
}

async function apiKey({ terminal }: Invocation): Promise<string> {
  const given =
    terminal.env['WORKOS_API_KEY']?.trim() ||
    (terminal.interactive ? (await terminal.ask('API key of the WorkOS environment (not shown): ', { secret: true })).trim() : '');
  if (given !== '') return given;
  throw new Failure('usage', 'There is no API key of WorkOS.', { remedy: 'Set WORKOS_API_KEY, from WorkOS Dashboard > API keys.' });
}

interface Told {
  readonly clientId?: string;
  readonly authorizationServer?: string;
}

/** Settings from the control plane; empty if none is configured or it does not answer. */
async function configOf(invocation: Invocation): Promise<Told> {
  const connection = invocation.connection();
  if (connection === undefined) return {};
  const { signal } = invocation.terminal;
  try {
    const response = await fetch(`${connection.url}/v1/auth/config`, {
      redirect: 'error',
      signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]),
    });
    return response.ok ? ((await response.json()) as Told) : {};
  } catch {
    signal.throwIfAborted();
    return {};
  }
}

/** Parses a URL that must use https or point to this machine. @throws Failure usage */
function secureUrl(text: string, where: string): URL {
  const url = URL.parse(text);
  if (url !== null && isSecure(url)) return url;
  throw new Failure('usage', `${where} ${url !== null && url.protocol === 'http:' ? secureOnly : 'must be an https URL'}.`);
}
