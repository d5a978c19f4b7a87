import { type Code, entryOf, typeOf } from './catalogue.ts';

export const mediaType = 'application/problem+json';

/** One fault of a request. `pointer` is a JSON pointer (RFC 6901) into the body; `parameter` names a parameter or header. */
export type ProblemError =
  | { readonly pointer: string; readonly parameter?: never; readonly detail: string }
  | { readonly parameter: string; readonly pointer?: never; readonly detail: string };

export interface ProblemOptions {
  readonly errors?: readonly ProblemError[];
  /** Replaces the remedy of the catalogue. */
  readonly remedy?: string;
  /** Further members of the document. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** Headers of the answer, with lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** Body of every error answer: https://www.rfc-editor.org/rfc/rfc9457 */
export interface ProblemDocument {
  readonly type: string;
  readonly code: Code;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly remedy: string;
  readonly errors?: readonly ProblemError[];
  readonly requestId?: string;
  readonly [extension: string]: unknown;
}

/** A request that cannot be answered as asked. The message says what is wrong here; it reaches the client, so it never holds a secret. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: Code;
  readonly remedy: string;
  readonly errors: readonly ProblemError[];
  readonly headers: Readonly<Record<string, string>>;
  readonly #extensions: Readonly<Record<string, unknown>>;

  constructor(code: Code, detail: string, options: ProblemOptions = {}) {
    super(detail, options.cause === undefined ? {} : { cause: options.cause });
    const { retryAfter, remedy } = entryOf(code);
    this.code = code;
    this.remedy = options.remedy ?? remedy;
    this.errors = options.errors ?? [];
    this.headers = { ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }), ...options.headers };
    this.#extensions = options.extensions ?? {};
  }

  get status(): number {
    return entryOf(this.code).status;
  }

  /** @param requestId Id under which the logs have the request; left out where a request has none. */
  document(requestId?: string): ProblemDocument {
    const { status, title } = entryOf(this.code);
    return {
      ...this.#extensions,
      type: typeOf(this.code),
      code: this.code,
      title,
      status,
      detail: this.message,
      remedy: this.remedy,
      ...(this.errors.length > 0 && { errors: this.errors }),
      ...(requestId !== undefined && { requestId }),
    };
  }
}
