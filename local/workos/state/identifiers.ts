import { randomBytes } from 'node:crypto';

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The last identifier. Identifiers of the same millisecond must be ordered too, because lists are paged by them. */
let last = 0n;

/** Returns an identifier in WorkOS's format: a prefix and a ULID, such as org_01EHZNVPK3SFK441A1RGBFSHRT. Identifiers always increase. */
export function newIdentifier(prefix: string): string {
  const fresh = (BigInt(Date.now()) << 80n) | BigInt(`0x${randomBytes(10).toString('hex')}`);
  last = fresh > last ? fresh : last + 1n;
  let value = last;
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = crockford[Number(value & 31n)] + text;
    value >>= 5n;
  }
  return `${prefix}_${text}`;
}

/** Returns a random secret of 256 bits in base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}
