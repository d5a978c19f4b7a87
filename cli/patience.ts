/** Fetches answers that take minutes. */
export interface Patience {
  /** Longest wait for the headers of an answer, in milliseconds. */
  readonly timeoutMs: number;
  /** `fetch` for requests without a body. */
  readonly fetch: (request: Request, init: RequestInit) => Promise<Response>;
}

/** Slightly longer than the control plane's limit for verifying or exporting an audit, 600 s. */
const timeoutMs = 610_000;

/** Loads undici on demand. Node's own fetch stops after 300 s without headers, and this limit cannot be changed. */
export async function patient(): Promise<Patience> {
  const { Agent, fetch } = await import('undici');
  const dispatcher = new Agent({ headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
  return {
    timeoutMs,
    fetch: ({ url, method, headers }, init) =>
      fetch(url, { ...(init as object), method, headers: Object.fromEntries(headers), dispatcher }) as unknown as Promise<Response>,
  };
}
