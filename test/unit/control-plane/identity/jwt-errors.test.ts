import { errors } from 'jose';
import { describe, expect, test } from 'vitest';
import { isKeysUnavailable, refusalReason } from '../../../../control-plane/identity/jwt-errors.ts';

describe('the reason for refusing a token', () => {
  test.each([
    [new errors.JWTExpired('', {}), 'the token has expired'],
    [new errors.JWTClaimValidationFailed('', {}), 'a claim of the token has a wrong value'],
    [new errors.JOSEAlgNotAllowed(), 'the algorithm of the token is not allowed'],
    [new errors.JWKSNoMatchingKey(), 'the token was signed with an unknown key'],
    [new errors.JWSSignatureVerificationFailed(), 'the signature of the token is wrong'],
    [new errors.JWTInvalid(), 'this is not a valid token'],
    [Object.assign(new Error('anything'), { code: 'ERR_JWT_EXPIRED' }), 'this is not a valid token'],
    ['text', 'this is not a valid token'],
  ])('of %s is "%s"', (error, reason) => {
    expect(refusalReason(error)).toBe(reason);
  });
});

describe('the keys count as unavailable', () => {
  test.each([
    [new errors.JWKSTimeout(), true],
    [new errors.JWKSInvalid(), true],
    [new TypeError('fetch failed'), true],
    [new errors.JOSEError('Expected 200 OK from the JSON Web Key Set HTTP response'), true],
    [new errors.JWTExpired('', {}), false],
    [Object.assign(new Error('of another library'), { code: 'ERR_JOSE_GENERIC' }), false],
    [undefined, false],
  ])('after %s: %s', (error, unavailable) => {
    expect(isKeysUnavailable(error)).toBe(unavailable);
  });
});
