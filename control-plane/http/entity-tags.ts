import { createHash } from 'node:crypto';

/** A list of entity tags, or `*`: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3 */
export const tagList = /^ *(\*|(W\/)?"[!#-~]*"( *, *(W\/)?"[!#-~]*")*) *$/;
const tags = /(W\/)?"([!#-~]*)"/g;

/** A short digest of whatever an entity tag has to change with. */
export function digestOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('base64url').slice(0, 12);
}

/** Whether If-None-Match says that the caller has this already; `*` stands for any. Weak comparison: a proxy that compresses makes tags weak. */
export function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || [...header.matchAll(tags)].some(([, , text]) => `"${text}"` === etag);
}

/**
 * What If-Match demands: the opaque texts of its tags, `any` for `*`, or undefined where there is no such header. Weak tags match nothing
 * (https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1), so they are left out.
 */
export function demanded(header: string | undefined): Demand | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return 'any';
  return [...header.matchAll(tags)].flatMap(([, weak, text = '']) => (weak === undefined ? [text] : []));
}

export type Demand = 'any' | readonly string[];
