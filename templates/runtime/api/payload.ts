/** The free part of an item: a JSON object. */
export type Payload = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** JSON merge patch: https://www.rfc-editor.org/rfc/rfc7396 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

/** Deeper nesting than this is refused: neither a recursive reader nor PostgreSQL's stack should meet it. */
export const maxDepth = 64;

/** What PostgreSQL's jsonb cannot hold, by JSON pointer: NUL characters, half surrogate pairs, and nesting without end. */
export function unstorable(value: unknown, pointer = '', depth = 0): { pointer: string; detail: string } | undefined {
  if (typeof value === 'string') return storableText(value) ? undefined : { pointer, detail: unstorableText };
  if (value === null || typeof value !== 'object') return undefined;
  if (depth >= maxDepth) return { pointer, detail: `is nested deeper than ${maxDepth} levels` };
  for (const [key, part] of Object.entries(value)) {
    const inner = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!storableText(key)) return { pointer: inner, detail: unstorableText };
    const fault = unstorable(part, inner, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

const unstorableText = 'contains a NUL character or half a surrogate pair, which cannot be stored';

function storableText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}
