import { secretForms } from '../../audit/secret-forms.ts';
import { isSecretName, redacted } from '../../audit/secret-names.ts';
import { replaceKnown } from './known-texts.ts';

const { apiKey, issuedKey, token, privateKey } = secretForms;

/** Forms of secrets that are redacted under any name. The first group is the prefix that stays. Each pattern runs in linear time. */
const patterns: readonly RegExp[] = [
  ...[apiKey, token, issuedKey].map(({ source }) => new RegExp(`()${source}`, 'g')),
  new RegExp(`()${privateKey.source}-----[\\s\\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)`, 'g'),
  // Basic and Bearer credentials.
  /(\b(?:Bearer|Basic)\s+)[A-Za-z0-9\-._~+/]{6,}=*/gi,
  // Passwords in URLs: a password ends at the last @ before the path.
  /(:\/\/[^\s:/?#@"']*:)[^\s/"']+(?=@)/g,
];

/** A name and the separator before its value, as in `name=value` and `"name": "value"`. */
const assignment = /(?<![a-z0-9_-])([a-z0-9_-]+)\\?["']?\s*[:=]\s*\\?["']?/gi;
/** A flag and the separator before the next word, as in `--name value` and `["--name", "value"]`. */
const flag = /(?<![\w.-])--?([a-z][\w.-]*)(?:\\?["'],\s*\\?["']|[ \t]+(?!-)\\?["']?)/gi;
const assigned = /(?!\[redacted\]|(?:true|false|null)(?![\w-]))[^\s"'\\,;&})\]]{4,}/y;

/** Minimum length of a known secret in characters. Shorter values occur in too many words. */
const minimumLength = 6;

/** Redacts secrets in texts: known secrets in all their encodings, and every text that looks like a secret. */
export class Redactor {
  readonly #forms = new Set<string>();

  constructor(secrets: Iterable<string>) {
    this.add(secrets);
  }

  /** Adds secrets that must not appear in later texts. */
  add(secrets: Iterable<string>): void {
    for (const secret of secrets) for (const form of formsOf(secret)) if (form.length >= minimumLength) this.#forms.add(form);
  }

  text(text: string): string {
    let result = replaceKnown(text, this.#forms, redacted);
    for (const pattern of patterns) result = result.replace(pattern, `$1${redacted}`);
    return without(without(result, assignment), flag);
  }

  /** A copy of the value with every text redacted, keys included. */
  values(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.values(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.values(item)]));
  }
}

/** Redacts the values after the name of a secret. The first group of `place` is the name. */
function without(text: string, place: RegExp): string {
  const pieces: string[] = [];
  let kept = 0;
  for (const match of text.matchAll(place)) {
    const [whole, name = ''] = match;
    if (!isSecretName(name)) continue;
    const begin = match.index + whole.length;
    if (begin < kept) continue;
    assigned.lastIndex = begin;
    const value = assigned.exec(text)?.[0];
    if (value === undefined) continue;
    pieces.push(text.slice(kept, begin), redacted);
    kept = begin + value.length;
  }
  return kept === 0 ? text : pieces.join('') + text.slice(kept);
}

function formsOf(secret: string): string[] {
  const whole = secret.trim();
  const parts = [whole, ...whole.split('\n').map((line) => line.trim())];
  // Documents such as keys.json contain further secrets.
  const nested = textsIn(whole);
  const password = URL.parse(whole)?.password ?? '';
  return [...parts, ...nested, password, decoded(password)].flatMap((part) => [
    part,
    Buffer.from(part).toString('base64'),
    Buffer.from(part).toString('base64url'),
    encodeURIComponent(part),
    JSON.stringify(part).slice(1, -1),
  ]);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Texts of 16 or more characters in a JSON document; empty if the text is not JSON. */
function textsIn(text: string): string[] {
  if (!/^\s*[[{]/.test(text)) return [];
  const found: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string' && value.length >= 16) found.push(value);
    else if (value !== null && typeof value === 'object') Object.values(value).forEach(collect);
  };
  try {
    collect(JSON.parse(text));
  } catch {
    return [];
  }
  return found;
}
