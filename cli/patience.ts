/** How answers are fetched that take minutes. */
export interface Patience {
  /** Milliseconds until an answer must have begun. */
  readonly timeoutMs: number;
  /** `fetch` of a request without a body. */
  readonly fetch: (request: Request, init: RequestInit) => Promise<Response>;
}

/** A little more than the control plane takes at most to verify or export an audit: 600 s. */
const timeoutMs = 610_000;

/** Loaded when it is wanted: Node's own fetch gives up after 300 s without a header and cannot be told otherwise. */
export async function patient(): Promise<Patience> {
  const { Agent, fetch } = await import('undici');
  const dispatcher = new Agent({ headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  return {
    timeoutMs,
    fetch: ({ url, method, headers }, init) =>
      fetch(url, { ...(init as object), method, headers: Object.fromEntries(headers), dispatcher }) as unknown as Promise<Response>,
  };
}
