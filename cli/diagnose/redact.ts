import { secretForms } from '../../audit/secret-forms.ts';
import { isSecretName, redacted } from '../../audit/secret-names.ts';
import { replaceKnown } from './known-texts.ts';

const { apiKey, issuedKey, token, privateKey } = secretForms;

/** What is taken out whatever it is called. Each has the part that stays in front of it as its first group, and is linear like the forms. */
const patterns: readonly RegExp[] = [
  ...[apiKey, token, issuedKey].map(({ source }) => new RegExp(`()${source}`, 'g')),
  new RegExp(`()${privateKey.source}-----[\\s\\S]*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|$)`, 'g'),
  // Basic and Bearer credentials.
  /(\b(?:Bearer|Basic)\s+)[A-Za-z0-9\-._~+/]{6,}=*/gi,
  // Passwords in URLs: the last @ before the path ends them.
  /(:\/\/[^\s:/?#@"']*:)[^\s/"']+(?=@)/g,
];

/** A name and what stands between it and its value, as in name=value, "name": "value" and the like. */
const assignment = /(?<![a-z0-9_-])([a-z0-9_-]+)\\?["']?\s*[:=]\s*\\?["']?/gi;
/** A flag and what stands between it and the next word, as in `--name value` and `["--name", "value"]`. */
const flag = /(?<![\w.-])--?([a-z][\w.-]*)(?:\\?["'],\s*\\?["']|[ \t]+(?!-)\\?["']?)/gi;
const assigned = /(?!\[redacted\]|(?:true|false|null)(?![\w-]))[^\s"'\\,;&})\]]{4,}/y;

/** Shorter values stand in too many words to be looked for. */
const minimumLength = 6;

/** Takes secrets out of texts: those it is told of, in every spelling they travel in, and whatever looks like one. */
export class Redactor {
  readonly #forms = new Set<string>();

  constructor(secrets: Iterable<string>) {
    this.add(secrets);
  }

  /** Values that must not appear from now on. */
  add(secrets: Iterable<string>): void {
    for (const secret of secrets) for (const form of formsOf(secret)) if (form.length >= minimumLength) this.#forms.add(form);
  }

  text(text: string): string {
    let result = replaceKnown(text, this.#forms, redacted);
    for (const pattern of patterns) result = result.replace(pattern, `$1${redacted}`);
    return without(without(result, assignment), flag);
  }

  /** The same value with every text in it redacted, keys included. */
  values(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.values(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.values(item)]));
  }
}

/** The text without the values that stand behind a name, the first group of `place`, that speaks of a secret. */
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
  // Documents such as keys.json hold secrets of their own.
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

/** The texts of a JSON document; none where it is no such document. */
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
