/** Cursors of lists: opaque to clients, in truth the uid of the last item read, so that a page starts after it whatever has changed since. */

const uidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function encodeCursor(uid: string): string {
  return Buffer.from(uid.replaceAll('-', ''), 'hex').toString('base64url');
}

/** The uid of the last item read; undefined when the text is not a cursor of this API. */
export function decodeCursor(cursor: string): string | undefined {
  if (!/^[\w-]{22}$/.test(cursor)) return undefined;
  const hex = Buffer.from(cursor, 'base64url').toString('hex');
  const uid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  return uidPattern.test(uid) ? uid : undefined;
}
