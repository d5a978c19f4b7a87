import { linkSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { secretForms } from '../audit/secret-forms.ts';
import { labels } from '../crds/names.ts';
import type { KubeClient } from '../kube/client.ts';
import { Reflector } from '../kube/reflector.ts';
import { type KubeObject, kinds } from '../kube/resources.ts';

export type SecretObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

/** What is a credential by its form alone, whoever made it. */
export const forms: readonly [string, RegExp][] = [
  ['an API key', secretForms.apiKey],
  ['a token', /eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}/],
  ['a key of WorkOS', /sk_(test|live)_[\w-]{16,}/],
  ['a private key', secretForms.privateKey],
  ['a URL with a password', /postgres(ql)?:\/\/[^:/@\s"]+:[^@\s"*[\]]{8,}@/],
];

/** Shorter values, such as the name of a user, say nothing when they are found. */
export const shortest = 16;

/** Secrets found in the log files below a folder, each with where, never with its value. */
export function secretsIn(folder: string, secrets: ReadonlyMap<string, string>): string[] {
  const found = new Set<string>();
  for (const file of logFiles(folder)) {
    const text = unlessGone(() => readFileSync(file, 'utf8')) ?? '';
    for (const what of secretsInText(text, secrets)) found.add(`${relative(folder, file)} has ${what}`);
  }
  return [...found].sort();
}

/** What each secret found in a text is, never its value. */
export function secretsInText(text: string, secrets: ReadonlyMap<string, string>): string[] {
  const byForm = forms.filter(([, form]) => form.test(text)).map(([what]) => what);
  const byValue = [...secrets].filter(([value]) => value.length >= shortest && text.includes(value)).map(([, what]) => what);
  return [...byForm, ...byValue];
}

/** Log files below a folder in which folders come and go. */
export function logFiles(folder: string): string[] {
  const entries = unlessGone(() => readdirSync(folder, { withFileTypes: true })) ?? [];
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return logFiles(path);
    return entry.isFile() && entry.name.endsWith('.log') ? [path] : [];
  });
}

/** What `look` gives, or undefined where what it looks at has been removed meanwhile. */
export function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR', 'ESRCH'].includes(String(error.code))) return undefined;
    throw error;
  }
}

/** What a Secret keeps, by name, but for what is none by itself: the name of a login, the hashes of API keys. */
export function valuesOf(secret: SecretObject | undefined): [name: string, value: string][] {
  // While a rotation is under way, the next login stands beside the present one.
  const told = ['url', 'username', 'keys.json'];
  return Object.entries(secret?.data ?? {})
    .filter(([name]) => !told.includes(name.replace(/^next\./, '')))
    .map(([name, value]) => [name, Buffer.from(value, 'base64').toString()]);
}

/**
 * Watches a whole run: remembers every value of every Secret that Tenantry makes, and keeps the logs of pods that are gone by a second
 * link to each file.
 */
export class LogWatch {
  readonly #folder: string;
  readonly #pods: string;
  readonly #kept: string;
  readonly #secrets = new Map<string, string>();
  readonly #ending = new AbortController();
  readonly #linked = new Set<number>();
  readonly #made: Reflector<SecretObject>;
  readonly #timer: NodeJS.Timeout;

  /**
   * @param folder with all logs of the run below it.
   * @param pods folder below it with the logs of pods, which go with them.
   * @param known further secrets, and what each is.
   */
  constructor(folder: string, pods: string, client: KubeClient, known: ReadonlyMap<string, string>) {
    this.#folder = folder;
    this.#pods = join(folder, pods);
    this.#kept = mkdtempSync(join(folder, 'kept-logs-'));
    for (const [value, what] of known) this.#secrets.set(value, what);
    this.#made = new Reflector<SecretObject>({
      client,
      resource: kinds.Secret,
      labelSelector: `${labels.managedBy}=tenantry`,
      onChange: (key, current) => this.#remember(key, current),
    });
    void this.#made.start(this.#ending.signal).catch(() => {});
    this.#timer = setInterval(() => this.#keep(), 250);
  }

  /** Whether it would find this value. */
  knows(value: string): boolean {
    return this.#secrets.has(value);
  }

  /** Whether it would look into the log though the file went now. */
  keeps(file: string): boolean {
    return this.#linked.has(statSync(file).ino);
  }

  /** Ends the watch. @returns what was found in any log of the run. @throws when the Secrets could never be read. */
  end(): string[] {
    if (!this.#made.synced) throw new Error('the Secrets of the run were not seen');
    clearInterval(this.#timer);
    this.#ending.abort();
    this.#keep();
    return secretsIn(this.#folder, this.#secrets);
  }

  #remember(key: string, secret: SecretObject | undefined): void {
    for (const [name, value] of valuesOf(secret)) this.#secrets.set(value, `${name} of ${key}`);
  }

  #keep(): void {
    for (const file of logFiles(this.#pods)) {
      unlessGone(() => {
        const { ino } = statSync(file);
        // The number of a file that is linked is given to no other.
        if (this.#linked.has(ino)) return;
        linkSync(file, join(this.#kept, `${ino}.log`));
        this.#linked.add(ino);
      });
    }
  }
}
