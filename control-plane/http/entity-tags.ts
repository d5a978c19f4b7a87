import { createHash } from 'node:crypto';
import { Problem } from './problem.ts';

/** Syntax of a list of entity tags: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3 */
const one = /^(W\/)?"([\x21\x23-\x7e]*)"$/;

/** A short digest of whatever an entity tag has to change with. */
export function digestOf(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('base64url').slice(0, 12);
}

/** Whether If-None-Match says that the caller has this already; `*` stands for any. Weak comparison. */
export function isKnown(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/**
 * What If-Match demands: the opaque texts of its tags, or undefined for none and for `*`.
 * @throws Problem malformed-request for what is no list of strong tags.
 */
export function demanded(header: string | undefined): readonly string[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  return header.split(',').map((tag) => {
    const [, weak, text] = one.exec(tag.trim()) ?? [];
    if (weak !== undefined || text === undefined)
      throw new Problem('malformed-request', 'If-Match takes ETags as this API gave them, such as "4711".');
    return text;
  });
}
