import { escapePointer } from '../../json/pointer.ts';
/** The free part of an item: a JSON object. */
export type Payload = Readonly<Record<string, unknown>>;

/** Deeper nesting than this is refused: neither a recursive reader nor PostgreSQL's stack should meet it. */
export const maxDepth = 64;

/** What PostgreSQL's jsonb cannot hold, by JSON pointer: NUL characters, half surrogate pairs, and nesting without end. */
export function unstorable(value: unknown, pointer = '', depth = 0): { pointer: string; detail: string } | undefined {
  if (typeof value === 'string') return storableText(value) ? undefined : { pointer, detail: unstorableText };
  if (value === null || typeof value !== 'object') return undefined;
  if (depth >= maxDepth) return { pointer, detail: `is nested deeper than ${maxDepth} levels` };
  for (const [key, part] of Object.entries(value)) {
    const inner = `${pointer}/${escapePointer(key)}`;
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
