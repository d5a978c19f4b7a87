import { randomBytes } from 'node:crypto';

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** An identifier as WorkOS writes them: a prefix and a ULID, such as org_01EHZNVPK3SFK441A1RGBFSHRT; ordered by `time`. */
export function newIdentifier(prefix: string, time = Date.now()): string {
  let value = (BigInt(time) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`);
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = crockford[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return `${prefix}_${text}`;
}

/** A value nobody can guess: 256 bits, base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}
