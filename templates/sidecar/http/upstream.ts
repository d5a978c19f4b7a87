import type { Readable } from 'node:stream';
import { Pool } from 'undici';

export interface UpstreamAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Readable | undefined;
  readonly signal: AbortSignal;
}

/** The API did not answer; `code` is the system's or undici's name of the reason. */
export class UpstreamUnreachable extends Error {
  override readonly name = 'UpstreamUnreachable';
  readonly code: string;

  constructor(code: string, cause: unknown) {
    super(`the API did not answer (${code})`, { cause });
    this.code = code;
  }
}

/** An answer is larger than the caller can take. */
export class AnswerTooLarge extends Error {
  override readonly name = 'AnswerTooLarge';
}

/** Connections to the API, kept open between requests. */
export class Upstream {
  readonly url: URL;
  readonly #pool: Pool;

  constructor(url: URL) {
    this.url = url;
    this.#pool = new Pool(url.origin, { connections: 32, connectTimeout: 2000, headersTimeout: 60_000, bodyTimeout: 60_000 });
  }

  /** @throws {UpstreamUnreachable}; what the signal is aborted with. */
  async request(request: UpstreamRequest): Promise<UpstreamAnswer> {
    try {
      return await this.#send(request);
    } catch (error) {
      // A kept connection may have been closed by a restarted API just now; reading again does no harm.
      if (!(request.method === 'GET' && error instanceof UpstreamUnreachable && /^(UND_ERR_SOCKET|ECONNRESET|EPIPE)$/.test(error.code)))
        throw error;
      return await this.#send(request);
    }
  }

  async #send({ method, path, headers, body, signal }: UpstreamRequest): Promise<UpstreamAnswer> {
    try {
      const answer = await this.#pool.request({ method, path, headers: { ...headers }, body: body ?? null, signal });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body };
    } catch (error) {
      if (signal.aborted) throw error;
      throw new UpstreamUnreachable(codeOf(error), error);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'no connection';
}

/**
 * The whole body as text.
 * @throws {AnswerTooLarge} past `limit` bytes.
 */
export async function readText(body: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > limit) {
      body.destroy();
      throw new AnswerTooLarge(`more than ${limit} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
