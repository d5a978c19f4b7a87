import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import { request } from 'undici';

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

/** What a pod may ask the control plane; it finds the tenant by the pod's own token. Every failure is {@link ControlPlaneUnavailable}. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
  }

  /** Keys of the authorization server, and for how many seconds they may be used. */
  async jwks(): Promise<{ jwks: JSONWebKeySet; maxAgeSeconds: number }> {
    const { body, cacheControl } = await this.#get('/pods/v1/jwks');
    if (!Array.isArray((body as Partial<JSONWebKeySet>)?.keys)) throw new ControlPlaneUnavailable('answer is no JWKS', 5);
    const maxAge = /(?:^|[\s,])max-age=(\d{1,6})/.exec(cacheControl)?.[1];
    return { jwks: body as JSONWebKeySet, maxAgeSeconds: maxAge === undefined ? defaultMaxAgeSeconds : Number(maxAge) };
  }

  /** Whether the user is an active member of the tenant's organization. */
  async isMember(userId: string): Promise<boolean> {
    const { body } = await this.#get(`/pods/v1/members/${encodeURIComponent(userId)}`);
    const member = (body as { member?: unknown } | null)?.member;
    if (typeof member !== 'boolean') throw new ControlPlaneUnavailable('answer names no membership', 5);
    return member;
  }

  async #get(path: string): Promise<{ body: unknown; cacheControl: string }> {
    try {
      const token = (await readFile(this.#options.tokenFile, 'utf8')).trim();
      const base = this.#options.url.href.replace(/\/+$/, '');
      const answer = await request(base + path, {
        headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
        signal: AbortSignal.timeout(timeoutMs),
      });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) {
        const retryAfter = Number(answer.headers['retry-after']);
        throw new ControlPlaneUnavailable(
          `control plane answered ${answer.statusCode}`,
          Number.isInteger(retryAfter) && retryAfter > 0 ? Math.min(retryAfter, 60) : 5,
        );
      }
      const cacheControl = answer.headers['cache-control'];
      return { body: JSON.parse(text), cacheControl: typeof cacheControl === 'string' ? cacheControl : '' };
    } catch (error) {
      if (error instanceof ControlPlaneUnavailable) throw error;
      throw new ControlPlaneUnavailable('control plane cannot be reached', 5, error);
    }
  }
}
