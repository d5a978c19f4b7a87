/** One cause that the API server named, with the path of the field. */
export interface Cause {
  readonly field?: string;
  readonly message: string;
}

/** The body of a failed request: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
interface StatusBody {
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly causes?: readonly { readonly field?: string; readonly message?: string }[];
    readonly retryAfterSeconds?: number;
  };
}

/**
 * A failed request to the API server. Carries the server's one-line message but never a request or response body:
 * a body may hold a Secret, and errors end up in logs.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number;
  /** Kubernetes' reason, such as NotFound, AlreadyExists, Conflict, Invalid, Forbidden; `Unreachable` with status 0. */
  readonly reason: string;
  readonly causes: readonly Cause[];
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, reason: string, message: string, causes: readonly Cause[] = [], retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.causes = causes;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 409 || this.status === 429 || this.status >= 500;
  }

  /** Another writer was faster, or the object is gone. The watch will deliver the current state. */
  get stale(): boolean {
    return this.status === 409 || this.status === 404;
  }

  static fromResponse(status: number, body: string, request: string): KubeError {
    let parsed: StatusBody = {};
    try {
      parsed = JSON.parse(body) as StatusBody;
    } catch {
      // A proxy in front of the API server answers in HTML. Only the status is left then.
    }
    const causes = (parsed.details?.causes ?? []).map((cause) => ({
      ...(cause.field === undefined ? {} : { field: cause.field }),
      message: withoutValues(cause.message ?? ''),
    }));
    const message = withoutValues(parsed.message ?? `${request} answered HTTP ${status}`);
    return new KubeError(status, parsed.reason || reasonOf(status), message, causes, parsed.details?.retryAfterSeconds);
  }

  static unreachable(request: string, cause: unknown): KubeError {
    const code = (cause as { code?: unknown })?.code;
    const error = new KubeError(
      0,
      'Unreachable',
      `the Kubernetes API could not be reached (${typeof code === 'string' ? code : 'no answer'}): ${request}`,
    );
    error.cause = cause;
    return error;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof KubeError && error.status === 404;
}

function reasonOf(status: number): string {
  if (status === 401) return 'Unauthorized';
  if (status === 404) return 'NotFound';
  return status >= 500 ? 'InternalError' : 'Unknown';
}

/** Removes refused values from validation messages (`Invalid value: "...": why`): they may be secret or very long. */
function withoutValues(message: string): string {
  return message.replace(/Invalid value: (?:"(?:[^"\\]|\\.)*"|\{.*?\}(?=: )|[^:]*)/gs, 'Invalid value').slice(0, 2000);
}
