/** What secrets look like, whoever made them. Each has the part that stays in front of it as its first group. */
const patterns: readonly RegExp[] = [
  /()\btnt_[0-9A-Za-z]{12}_[0-9A-Za-z]{8,}/g,
  /()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?/g,
  /()\b(?:sk|rk|pk|whsec|ghp|gho|ghs|github_pat|glpat|xox[abprs]|AKIA|ASIA)[_-]?[A-Za-z0-9_-]{12,}/g,
  /()-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  // Basic and Bearer credentials.
  /(\b(?:Bearer|Basic)\s+)[A-Za-z0-9\-._~+/]{6,}=*/gi,
  // Passwords in URLs: the last @ before the path ends them.
  /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/?#@"']*:)[^\s/"']+(?=@)/gi,
  // name=value, "name": "value" and the like, for names that say so.
  /((?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|client[-_]?secret|credential|authorization|cookie)(?![a-z]*(?:name|ref|path|file|policy|seconds|s?ready)\b)[a-z0-9_-]*\\?["']?\s*[:=]\s*\\?["']?)(?!\[redacted\])[^\s"'\\,;&})\]]{4,}/gi,
];

const mark = '[redacted]';
/** Shorter values stand in too many words to be looked for. */
const minimumLength = 6;

/** Takes secrets out of texts: those it is told of, in every spelling they travel in, and whatever looks like one. */
export class Redactor {
  #known: string[] = [];

  constructor(secrets: Iterable<string>) {
    this.add(secrets);
  }

  /** Values that must not appear from now on. */
  add(secrets: Iterable<string>): void {
    const all = new Set(this.#known);
    for (const secret of secrets) for (const form of formsOf(secret)) if (form.length >= minimumLength) all.add(form);
    // Longest first: a part of a secret must not be taken out of it before the whole is found.
    this.#known = [...all].sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    let result = text;
    for (const secret of this.#known) if (result.includes(secret)) result = result.replaceAll(secret, mark);
    for (const pattern of patterns) result = result.replace(pattern, `$1${mark}`);
    return result;
  }

  /** The same value with every text in it redacted, keys included. */
  values(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.values(item));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.text(key), this.values(item)]));
  }
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
