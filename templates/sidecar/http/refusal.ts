import type { Code } from '../../../problems/catalogue.ts';
import { Problem } from '../../../problems/problem.ts';

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
  | 'starting'
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

const codes = {
  no_token: 'unauthenticated',
  invalid_token: 'unauthenticated',
  expired: 'unauthenticated',
  wrong_issuer: 'unauthenticated',
  wrong_audience: 'unauthenticated',
  unknown_key: 'unauthenticated',
  scope: 'insufficient-scope',
  not_member: 'not-a-member',
  role: 'role-required',
  read_only: 'read-only',
  starting: 'tenant-starting',
  unavailable: 'authorization-unavailable',
  origin: 'origin-refused',
  host: 'host-refused',
} as const satisfies Record<RefusalReason, Code>;

/** A request that is not served. The detail names the fault for the client; it never echoes a credential. */
export class Refusal extends Problem {
  readonly reason: RefusalReason;

  constructor(reason: RefusalReason, detail: string, options: { retryAfterSeconds?: number; cause?: unknown } = {}) {
    const { retryAfterSeconds, cause } = options;
    super(codes[reason], detail, {
      ...(retryAfterSeconds !== undefined && { headers: { 'retry-after': String(retryAfterSeconds) } }),
      ...(cause !== undefined && { cause }),
    });
    this.reason = reason;
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
