import { metadataUrl } from '../../crds/names.ts';
import { type DialOptions, publicFetch } from '../../kube/public-fetch.ts';
import { isLoopback } from '../config/secure-url.ts';
import { causeOf } from './cause.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The first 64 KiB of the body. */
  readonly text: string;
}

const timeoutMs = 10_000;
const maxBytes = 64 * 1024;

/** A tenant's endpoint as clients see it: over the network, by its URL. */
export class Outside {
  readonly url: URL;
  readonly dialOptions: DialOptions;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
  #metadata: Promise<Answer> | undefined;
  #challenge: Promise<Answer> | undefined;

  constructor(url: string, dialOptions: DialOptions, signal: AbortSignal) {
    this.url = new URL(url);
    this.dialOptions = dialOptions;
    this.signal = signal;
    this.fetch = publicFetch(dialOptions, timeoutMs);
  }

  get metadataUrl(): string {
    return metadataUrl(this.url.href);
  }

  /** Target of connections: the address from `dialOptions`, or the URL's host and port. */
  get target(): { readonly host: string; readonly port: number } {
    const { hostname, port, protocol } = this.url;
    return this.dialOptions.address ?? { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
  }

  /** Why a token must not be sent to the endpoint; undefined if the connection is safe. */
  get notSecret(): string | undefined {
    if (this.url.protocol === 'https:' || isLoopback(this.target.host)) return undefined;
    return 'no token is sent over plain http, where everybody on the way can read it';
  }

  /** The answer of the metadata URL, requested once. @throws Error without an answer */
  metadata(): Promise<Answer> {
    this.#metadata ??= this.#ask(this.metadataUrl, { headers: { accept: 'application/json' } });
    return this.#metadata;
  }

  /** The endpoint's answer to a client without a token, requested once. @throws Error without an answer */
  challenge(): Promise<Answer> {
    this.#challenge ??= this.askForTools(undefined);
    return this.#challenge;
  }

  /** The endpoint's answer to `tools/list` with this token. @throws Error without an answer */
  async askForTools(token: string | undefined): Promise<Answer> {
    if (token !== undefined && this.notSecret !== undefined) throw new Error(this.notSecret);
    return this.#ask(this.url.href, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    });
  }

  async #ask(url: string, init: RequestInit): Promise<Answer> {
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const response = await this.fetch(url, { ...init, redirect: 'manual', signal });
      return { status: response.status, headers: response.headers, text: await beginningOf(response) };
    } catch (error) {
      this.signal.throwIfAborted();
      throw new Error(causeOf(error));
    }
  }
}

async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    bytes += (chunk as Uint8Array).length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
}
