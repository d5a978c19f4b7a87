import { metadataUrl } from '../../crds/names.ts';
import { type DialOptions, publicFetch } from '../../kube/public-fetch.ts';
import { isLoopback } from '../config/secure-url.ts';
import { causeOf } from './cause.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The first 64 KiB. */
  readonly text: string;
}

const timeoutMs = 10_000;
const maxBytes = 64 * 1024;

/** A tenant's endpoint as its clients see it: over the network, by its URL. */
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

  /** Where a connection goes: the URL's host and port, or the address that was given. */
  get target(): { readonly host: string; readonly port: number } {
    const { hostname, port, protocol } = this.url;
    return this.dialOptions.address ?? { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
  }

  /** Why no token is sent there; undefined where nobody on the way can read it. */
  get notSecret(): string | undefined {
    if (this.url.protocol === 'https:' || isLoopback(this.target.host)) return undefined;
    return 'no token is sent over plain http, where everybody on the way can read it';
  }

  /** What the metadata's URL answers; asked once. @throws Error without an answer */
  metadata(): Promise<Answer> {
    this.#metadata ??= this.#ask(this.metadataUrl, { headers: { accept: 'application/json' } });
    return this.#metadata;
  }

  /** What the endpoint answers a client without a token; asked once. @throws Error without an answer */
  challenge(): Promise<Answer> {
    this.#challenge ??= this.askForTools(undefined);
    return this.#challenge;
  }

  /** What the endpoint answers to a token. @throws Error without an answer */
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
