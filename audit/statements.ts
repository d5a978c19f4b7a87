import type { SigningKey, TrustedKeys } from './signing-keys.ts';

interface Place {
  readonly chain: string;
  /** `YYYY-MM` */
  readonly month: string;
  /** Sequence of the last record. */
  readonly sequence: number;
  /** Hash of the last record. */
  readonly hash: string;
}

interface Signature {
  readonly keyId: string;
  /** Ed25519, base64url. */
  readonly signature: string;
}

/** A signed statement that the month had exactly the records up to this one when it was signed. It outlives the records. */
export interface SignedHead extends Place, Signature {
  /** Whether the month was over, so that no record follows. */
  readonly final: boolean;
  readonly signedAt: string;
}

/** A signed statement that retention removed the records of a month. */
export interface SignedRemoval extends Place, Signature {
  readonly removedAt: string;
}

/** A signed statement that an export is complete. */
export interface SignedEnd extends Signature {
  /** Number of records in the export. */
  readonly records: number;
  /** SHA-256, in hexadecimal, of the UTF-8 of all lines before, each with its line feed. */
  readonly sha256: string;
}

/** The signature of a head covers the canonical JSON (RFC 8785) of this object. */
function headStatement({ chain, month, sequence, hash, final, signedAt, keyId }: Omit<SignedHead, 'signature'>): object {
  return { type: 'tenantry-audit-head/v1', chain, month, sequence, hash, final, signedAt, keyId };
}

function removalStatement({ chain, month, sequence, hash, removedAt, keyId }: Omit<SignedRemoval, 'signature'>): object {
  return { type: 'tenantry-audit-removal/v1', chain, month, sequence, hash, removedAt, keyId };
}

function endStatement({ records, sha256, keyId }: Omit<SignedEnd, 'signature'>): object {
  return { type: 'tenantry-audit-export/v1', records, sha256, keyId };
}

export function signHead(key: SigningKey, head: Omit<SignedHead, keyof Signature>): SignedHead {
  const unsigned = { ...head, keyId: key.id };
  return { ...unsigned, signature: key.sign(headStatement(unsigned)) };
}

export function signRemoval(key: SigningKey, removal: Omit<SignedRemoval, keyof Signature>): SignedRemoval {
  const unsigned = { ...removal, keyId: key.id };
  return { ...unsigned, signature: key.sign(removalStatement(unsigned)) };
}

export function isSignedHead(keys: TrustedKeys, head: SignedHead): boolean {
  return keys.verify(headStatement(head), head.keyId, head.signature);
}

export function isSignedRemoval(keys: TrustedKeys, removal: SignedRemoval): boolean {
  return keys.verify(removalStatement(removal), removal.keyId, removal.signature);
}

export function signEnd(key: SigningKey, end: Omit<SignedEnd, keyof Signature>): SignedEnd {
  const unsigned = { ...end, keyId: key.id };
  return { ...unsigned, signature: key.sign(endStatement(unsigned)) };
}

export function isSignedEnd(keys: TrustedKeys, end: SignedEnd): boolean {
  return keys.verify(endStatement(end), end.keyId, end.signature);
}
