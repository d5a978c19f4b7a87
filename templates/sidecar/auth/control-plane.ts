import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import { Pool } from 'undici';
import { type RefusedRecord, refusedIn } from '../../../audit/delivery.ts';
import type { ToolCallRecord } from '../../../audit/record.ts';
import type { KeyUse } from './key-uses.ts';
import type { Membership } from './memberships.ts';

/** The control plane cannot answer now. */
export class ControlPlaneUnavailable extends Error {
  override readonly name = 'ControlPlaneUnavailable';
  readonly retryAfterSeconds: number;

  constructor(message: string, retryAfterSeconds: number, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface ControlPlaneOptions {
  readonly url: URL;
  /** File with the pod's projected token, replaced every few minutes and so read before each use. */
  readonly tokenFile: string;
}

const timeoutMs = 5000;
const defaultMaxAgeSeconds = 300;
const defaultRetrySeconds = 5;

/** The requests a pod may send to the control plane, which finds the tenant by the pod's own token. Failures are {@link ControlPlaneUnavailable}. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  /** Bounded: after a restart, all users of a tenant are asked about at once. */
  readonly #pool: Pool;
  readonly #base: string;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    this.#pool = new Pool(options.url.origin, { connections: 8, connectTimeout: 2000 });
    this.#base = options.url.pathname.replace(/\/+$/, '');
  }

  /** Keys of the authorization server, and for how many seconds they may be used. */
  async jwks(): Promise<{ jwks: JSONWebKeySet; maxAgeSeconds: number }> {
    const { body, cacheControl } = await this.#get('/pods/v1/jwks');
    if (!Array.isArray((body as Partial<JSONWebKeySet>)?.keys)) throw new ControlPlaneUnavailable('answer is no JWKS', defaultRetrySeconds);
    const maxAge = /(?:^|[\s,])max-age=(\d{1,6})/.exec(cacheControl)?.[1];
    return { jwks: body as JSONWebKeySet, maxAgeSeconds: maxAge === undefined ? defaultMaxAgeSeconds : Number(maxAge) };
  }

  /** Whether the user is an active member of the tenant's organization, and what the role allows. */
  async membership(userId: string): Promise<Membership> {
    const { body } = await this.#get(`/pods/v1/members/${encodeURIComponent(userId)}`);
    const { member, role, access = 'all' } = (body ?? {}) as { member?: unknown; role?: unknown; access?: unknown };
    if (member === false) return { member };
    // An older control plane names no access; a word that a newer one may have for it grants nothing here.
    if (member === true && (access === 'none' || access === 'read' || access === 'all')) {
      return { member, access, role: typeof role === 'string' ? role : undefined };
    }
    throw new ControlPlaneUnavailable('answer names no membership that is understood', defaultRetrySeconds);
  }

  /**
   * Sends records of tool calls and last uses of API keys. The same record may be sent again.
   * @returns the records that the control plane refused; it stored all others.
   * @throws {RecordsRefused} for a batch refused as a whole; {SendLater} when the control plane is overloaded.
   */
  async audit(records: readonly ToolCallRecord[], keys: readonly KeyUse[], signal: AbortSignal): Promise<readonly RefusedRecord[]> {
    const { status, headers, text } = await this.#request('POST', '/pods/v1/audit', { body: JSON.stringify({ records, keys }), signal });
    return refusedIn({ status, retryAfter: headers['retry-after']?.toString(), text });
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }

  async #get(path: string): Promise<{ body: unknown; cacheControl: string }> {
    const { status, headers, text } = await this.#request('GET', path);
    if (status !== 200) {
      throw new ControlPlaneUnavailable(`control plane answered ${status}`, Math.min(retryAfterSeconds(headers), 60));
    }
    const cacheControl = headers['cache-control'];
    return { body: parsed(text), cacheControl: typeof cacheControl === 'string' ? cacheControl : '' };
  }

  async #request(method: 'GET' | 'POST', path: string, options: { body?: string; signal?: AbortSignal } = {}): Promise<Answer> {
    const { body, signal } = options;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const token = (await readFile(this.#options.tokenFile, 'utf8')).trim();
      const answer = await this.#pool.request({
        method,
        path: this.#base + path,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        body: body ?? null,
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      });
      return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
    } catch (error) {
      throw new ControlPlaneUnavailable('control plane cannot be reached', defaultRetrySeconds, error);
    }
  }
}

function retryAfterSeconds({ 'retry-after': value }: Answer['headers']): number {
  const seconds = Number(value);
  return Number.isInteger(seconds) && seconds > 0 ? seconds : defaultRetrySeconds;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ControlPlaneUnavailable('answer is no JSON', defaultRetrySeconds, error);
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}
