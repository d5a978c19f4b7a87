import { createHash } from 'node:crypto';

/** A list of entity tags, or `*`: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3 */
export const tagList = /^ *(\*|(W\/)?"[!#-~]*"( *, *(W\/)?"[!#-~]*")*) *$/;
const tags = /(W\/)?"([!#-~]*)"/g;

/** A short digest of the parts that an entity tag stands for. */
export function digestOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('base64url').slice(0, 12);
}

/** Whether If-None-Match has this tag; `*` stands for any. The comparison is weak, because a proxy that compresses makes tags weak. */
export function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.trim() === '*' || [...header.matchAll(tags)].some(([, , text]) => `"${text}"` === etag);
}

/**
 * The opaque texts of the tags in If-Match: `any` for `*`, undefined without the header. Weak tags never match, so they are left out:
 * https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
 */
export function demanded(header: string | undefined): Demand | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return 'any';
  return [...header.matchAll(tags)].flatMap(([, weak, text = '']) => (weak === undefined ? [text] : []));
}

export type Demand = 'any' | readonly string[];
