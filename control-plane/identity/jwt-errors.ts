import { errors } from 'jose';

/** Reasons for refusing a token, by jose's error codes. Other errors get the reason "not a valid token". */
const reasons: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'the token has expired',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'a claim of the token has a wrong value',
  ERR_JOSE_ALG_NOT_ALLOWED: 'the algorithm of the token is not allowed',
  ERR_JWKS_NO_MATCHING_KEY: 'the token was signed with an unknown key',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'the signature of the token is wrong',
};

/** The reason why jose refused a token, in words that are safe in a challenge. */
export function refusalReason(error: unknown): string {
  return (error instanceof errors.JOSEError ? reasons[error.code] : undefined) ?? 'this is not a valid token';
}

/** Whether verification failed because the keys could not be read. jose reports a bad answer with a generic error, and fetch throws a TypeError. */
export function isKeysUnavailable(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error instanceof TypeError) return true;
  return error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC';
}
