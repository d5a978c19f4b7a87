import { readFile } from 'node:fs/promises';
import type { JSONWebKeySet } from 'jose';
import { Pool } from 'undici';
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

/** What a pod may ask the control plane; it finds the tenant by the pod's own token. Every failure is {@link ControlPlaneUnavailable}. */
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
    if (!Array.isArray((body as Partial<JSONWebKeySet>)?.keys)) throw new ControlPlaneUnavailable('answer is no JWKS', 5);
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
    throw new ControlPlaneUnavailable('answer names no membership that is understood', 5);
  }

  async #get(path: string): Promise<{ body: unknown; cacheControl: string }> {
    try {
      const token = (await readFile(this.#options.tokenFile, 'utf8')).trim();
      const answer = await this.#pool.request({
        method: 'GET',
        path: this.#base + path,
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

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
