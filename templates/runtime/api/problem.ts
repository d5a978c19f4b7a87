/** Errors of the APIs as problem details: https://www.rfc-editor.org/rfc/rfc9457 */

/** Stable codes, with status and title. Clients match on the code; a code is only ever added. */
export const problems = {
  malformed_request: { status: 400, title: 'Malformed request' },
  unknown_action: { status: 400, title: 'Unknown action' },
  unauthorized: { status: 401, title: 'Not authorized' },
  forbidden: { status: 403, title: 'Forbidden' },
  not_found: { status: 404, title: 'Not found' },
  version_mismatch: { status: 409, title: 'Version mismatch' },
  deleted: { status: 410, title: 'Deleted' },
  too_large: { status: 413, title: 'Too large' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  invalid_payload: { status: 422, title: 'Invalid payload' },
  internal_error: { status: 500, title: 'Internal error' },
  unavailable: { status: 503, title: 'Temporarily unavailable' },
} as const;

export type ProblemCode = keyof typeof problems;

/** One fault of a request: in the body by JSON pointer (RFC 6901), elsewhere by the parameter's name. */
export interface Fault {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly detail: string;
}

export interface ProblemOptions {
  /** What happened and what to do about it, for people and LLMs. */
  readonly detail: string;
  readonly errors?: readonly Fault[];
  /** Further members of the document. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  constructor(code: ProblemCode, options: ProblemOptions) {
    super(options.detail, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.options = options;
  }

  get status(): number {
    return problems[this.code].status;
  }

  document(requestId: string): Record<string, unknown> {
    const { status, title } = problems[this.code];
    const { detail, errors, extensions } = this.options;
    return { type: 'about:blank', title, status, code: this.code, detail, ...extensions, ...(errors && { errors }), requestId };
  }
}
