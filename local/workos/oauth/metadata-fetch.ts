import { Agent, fetch as undiciFetch } from 'undici';

type Fetch = typeof globalThis.fetch;

/** Hosts at which local clients may publish their metadata document. oidc-provider itself fetches from public addresses only. */
const thisMachine = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Fetches documents for oidc-provider. Its guard against non-public addresses stays in place, except for this machine's names, which
 * are reached directly by HTTPS.
 * @param ca PEM of an authority to trust for this machine's names, in addition to those of Node.
 */
export function metadataFetch(ca: string | undefined): Fetch {
  const dispatcher = new Agent(ca === undefined ? {} : { connect: { ca } });
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.protocol !== 'https:' || !thisMachine.has(url.hostname)) return fetch(input, init);
    const response = await undiciFetch(url, {
      method: init?.method ?? 'GET',
      headers: [...new Headers(init?.headers)],
      redirect: 'manual',
      signal: init?.signal ?? null,
      dispatcher,
    });
    return new Response(await response.arrayBuffer(), { status: response.status, headers: [...response.headers] });
  };
}
