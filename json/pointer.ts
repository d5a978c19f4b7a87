/** JSON pointers: https://www.rfc-editor.org/rfc/rfc6901 */

/** A member's name as a part of a pointer. */
export function escapePointer(part: string): string {
  return part.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Names of the members a pointer leads through; none for the whole document. */
export function pointerParts(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value at a pointer, or undefined. Inherited members are not followed. */
export function atPointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const part of pointerParts(pointer)) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/**
 * The value at a reference inside the document, such as `#/$defs/Part`; undefined for a reference that leads nowhere or to another document.
 * The pointer in a reference is percent-encoded: RFC 6901 section 6.
 */
export function atReference(document: unknown, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined;
  try {
    return atPointer(document, decodeURIComponent(reference.slice(1)));
  } catch {
    // Malformed percent-encoding.
    return undefined;
  }
}
