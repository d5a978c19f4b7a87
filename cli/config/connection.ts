import { Failure } from '../failure.ts';
import type { Contexts } from './contexts.ts';
import type { LocalModeSearch } from './local-mode.ts';
import { isSecure, secureOnly } from './secure-url.ts';

/** The control plane that a command uses, and the source of its URL. */
export interface Connection {
  /** Base URL, without a trailing slash. */
  readonly url: string;
  readonly source: 'environment' | 'context' | 'local mode';
  /** Name of the context whose session is used; undefined if the token comes from elsewhere. */
  readonly context: string | undefined;
  /** A fixed token, which is never refreshed. */
  readonly token: string | undefined;
}

export interface ConnectionSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly contexts: Contexts;
  /** Value of `--context`. */
  readonly wanted: string | undefined;
  readonly localMode: () => LocalModeSearch;
}

/**
 * Order of precedence: `--context`, TENANTRY_URL, the current context, local mode. TENANTRY_TOKEN takes precedence over the session of a
 * context. TENANTRY_TOKEN is sent only to a URL that the user has named, never to a URL from local mode. A session is sent only to the URL
 * it was made for.
 */
export function findConnection({ env, contexts, wanted, localMode }: ConnectionSources): Connection | undefined {
  const token = env['TENANTRY_TOKEN'] || undefined;
  const url = env['TENANTRY_URL'] || undefined;
  if (wanted === undefined && url !== undefined) {
    const base = baseUrl(url, 'TENANTRY_URL');
    return { url: base, source: 'environment', context: token === undefined ? contextOf(contexts, base) : undefined, token };
  }
  const name = wanted ?? contexts.current;
  if (name !== undefined) {
    const context = contexts.find(name);
    if (context !== undefined)
      return {
        url: baseUrl(context.url, `The URL of context ${name}`),
        source: 'context',
        context: token === undefined ? name : undefined,
        token,
      };
    if (wanted !== undefined) {
      const known = Object.keys(contexts.all());
      throw new Failure('usage', `There is no context ${wanted}.`, {
        remedy: known.length === 0 ? 'Make one: tenantry login <url of the control plane>' : `There are: ${known.join(', ')}.`,
      });
    }
  }
  const { found: local } = localMode();
  if (local === undefined) return undefined;
  const base = baseUrl(local.adminUrl, 'local.json');
  const given = local.adminToken;
  return { url: base, source: 'local mode', context: given === undefined ? contextOf(contexts, base) : undefined, token: given };
}

/** Name of a context with this URL. */
function contextOf(contexts: Contexts, url: string): string | undefined {
  return Object.entries(contexts.all()).find(([, context]) => context.url === url)?.[0];
}

/** @throws Failure usage if no control plane is configured. */
export function requireConnection(sources: ConnectionSources): Connection {
  const connection = findConnection(sources);
  if (connection !== undefined) return connection;
  throw new Failure('usage', 'No control plane is configured.', {
    details: sources.localMode().ignored,
    remedy:
      'Sign in once:         tenantry login https://<url of the control plane>\n' +
      'In CI set:            TENANTRY_URL and TENANTRY_TOKEN\n' +
      'On this machine:      npm start, then run tenantry in that folder',
  });
}

/** Normalizes a base URL for comparing and storing. @throws Failure usage */
export function baseUrl(text: string, where: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new Failure('usage', `${where} must be an http or https URL such as https://tenantry.example.com, without query or password.`);
  }
  if (!isSecure(url)) throw new Failure('usage', `${where} ${secureOnly}: a token is sent there.`);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
