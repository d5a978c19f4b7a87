/** Why a request was refused, for the metric; a closed list, so that its labels stay few. */
export type RefusalReason =
  | 'no_token'
  | 'invalid_token'
  | 'expired'
  | 'wrong_issuer'
  | 'wrong_audience'
  | 'unknown_key'
  | 'scope'
  | 'not_member'
  | 'role'
  | 'read_only'
  | 'unavailable'
  | 'origin'
  | 'host';

const challenges: Partial<Record<RefusalReason, 'invalid_token' | 'insufficient_scope'>> = {
  invalid_token: 'invalid_token',
  expired: 'invalid_token',
  wrong_issuer: 'invalid_token',
  wrong_audience: 'invalid_token',
  unknown_key: 'invalid_token',
  scope: 'insufficient_scope',
};

const statuses: Record<RefusalReason, 401 | 403 | 503> = {
  no_token: 401,
  invalid_token: 401,
  expired: 401,
  wrong_issuer: 401,
  wrong_audience: 401,
  unknown_key: 401,
  scope: 403,
  not_member: 403,
  role: 403,
  read_only: 403,
  unavailable: 503,
  origin: 403,
  host: 403,
};

/** A request that is not served. The detail goes to the client and says what to do; it never echoes a credential. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reason: RefusalReason;
  readonly retryAfterSeconds: number | undefined;

  constructor(reason: RefusalReason, detail: string, options: { retryAfterSeconds?: number; cause?: unknown } = {}) {
    super(detail, options.cause === undefined ? {} : { cause: options.cause });
    this.reason = reason;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): 401 | 403 | 503 {
    return statuses[this.reason];
  }

  /** The WWW-Authenticate header, by which a client finds the authorization server: RFC 6750 and RFC 9728 section 5.1. */
  challenge(metadataUrl: string): string | undefined {
    if (this.status !== 401 && this.reason !== 'scope') return undefined;
    const error = challenges[this.reason];
    const parts = [
      ...(error === undefined ? [] : [`error="${error}"`, `error_description="${this.message.replaceAll(/["\\]/g, "'")}"`]),
      `resource_metadata="${metadataUrl}"`,
    ];
    return `Bearer ${parts.join(', ')}`;
  }
}
