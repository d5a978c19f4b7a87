import { RE2JS } from 're2js';

/** Longest source of a pattern, in characters. */
const maxLength = 1_000;
/** Largest compiled pattern, in instructions. Matching takes at most that many steps for each character of a text. */
const maxInstructions = 2_500;

/** White space of ECMA-262. RE2 knows only its ASCII part: https://tc39.es/ecma262/#prod-WhiteSpace */
const spaces = '\\x09-\\x0d\\x20\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}';
const otherThanSpaces =
  '\\x00-\\x08\\x0e-\\x1f\\x21-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}' +
  '\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}';

/** A compiled pattern. The time of a match grows linearly with the text for every pattern. */
export interface LinearPattern {
  test(text: string): boolean;
  /** The source, by which ajv identifies a pattern. */
  toString(): string;
}

/**
 * Compiles a pattern of JSON Schema: a regular expression of ECMA-262 with the flag `u`, without look-around and back-references. The
 * schema comes from a template and the text from a tenant, so with the engine of JavaScript one text could block the process for hours.
 * @throws Error with the reason, as the end of a sentence
 */
export function compilePattern(source: string): LinearPattern {
  if (source.length > maxLength) throw new Error(`it is longer than ${maxLength} characters`);
  let compiled: RE2JS;
  try {
    new RegExp(source, 'u');
    compiled = RE2JS.compile(RE2JS.translateRegExp(toRe2(source)));
  } catch (error) {
    throw new Error((error as Error).message, { cause: error });
  }
  if (compiled.programSize() > maxInstructions) throw new Error('its repetitions are too large');
  return { test: (text) => compiled.test(text), toString: () => source };
}

const tokens = /\\[pP]\{(?:Script|sc)=\w+\}|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\.|\(\?<?[=!]|./gsu;

/** Translates the parts of a pattern that mean something else in the syntax of RE2. */
function toRe2(source: string): string {
  let inClass = false;
  return source.replace(tokens, (token) => {
    const rewritten = inClass ? rewriteInClass(token) : rewriteOutsideClass(token);
    inClass = inClass ? token !== ']' : token === '[';
    return rewritten;
  });
}

function rewriteOutsideClass(token: string): string {
  if (/^\(\?<?[=!]$/.test(token)) throw new Error('it uses look-ahead or look-behind');
  if (/^\\[1-9k]$/.test(token)) throw new Error('it uses a back-reference');
  if (token === '.') return '[^\\n\\r\\x{2028}\\x{2029}]';
  if (token === '\\s') return `[${spaces}]`;
  if (token === '\\S') return `[^${spaces}]`;
  return rewriteEscape(token);
}

function rewriteInClass(token: string): string {
  if (token === '[') return '\\[';
  if (token === '\\b') return '\\x08';
  if (token === '\\s') return spaces;
  if (token === '\\S') return otherThanSpaces;
  return rewriteEscape(token);
}

function rewriteEscape(token: string): string {
  // The two escapes of a surrogate pair are one character.
  if (token.length === 12 && token.startsWith('\\u')) return `\\x{${(JSON.parse(`"${token}"`) as string).codePointAt(0)?.toString(16)}}`;
  return token.replace(/\{(?:Script|sc)=/, () => '{');
}
