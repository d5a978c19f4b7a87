import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type { RegistrationSwitches } from './oauth/registration.ts';
import type {
  Application,
  ApplicationSecret,
  CorsOrigin,
  Invitation,
  Membership,
  OAuthResource,
  Organization,
  Permission,
  RedirectUri,
  Role,
  User,
  WebhookEndpoint,
} from './records.ts';

/** A signing key: private JWK, and the self-signed certificate that WorkOS's key sets carry as x5c. */
export interface SigningKey {
  readonly jwk: JWK;
  readonly certificate: string;
}

/** What must survive a restart: configured clients and registered resources would stop working without it. */
export interface Environment {
  clientId: string;
  apiKey: string;
  cookieSecret: string;
  /** Signs session access tokens. */
  sessionKey: SigningKey;
  /** Signs OAuth access tokens: another issuer, another key, as at WorkOS. */
  oauthKey: SigningKey;
  organizations: Record<string, Organization>;
  users: Record<string, User>;
  /** scrypt hashes by user. */
  passwords: Record<string, string>;
  memberships: Record<string, Membership>;
  /** Permissions given to one membership beyond its role's. */
  permissions: Record<string, readonly string[]>;
  resources: Record<string, OAuthResource>;
  /** Permissions that roles may have, by slug. */
  definedPermissions: Record<string, Permission>;
  /** Roles by slug, in their order of priority. */
  roles: Record<string, Role>;
  webhookEndpoints: Record<string, WebhookEndpoint>;
  invitations: Record<string, Invitation>;
  redirectUris: Record<string, RedirectUri>;
  corsOrigins: Record<string, CorsOrigin>;
  applications: Record<string, Application>;
  applicationSecrets: Record<string, ApplicationSecret>;
  registration: RegistrationSwitches;
}

/** Keys and credentials, which are made once; everything else of an environment begins empty. */
export type Credentials = Pick<Environment, 'clientId' | 'apiKey' | 'cookieSecret' | 'sessionKey' | 'oauthKey'>;

const empty = (): Omit<Environment, keyof Credentials> => ({
  organizations: {},
  users: {},
  passwords: {},
  memberships: {},
  permissions: {},
  resources: {},
  definedPermissions: {},
  roles: {},
  webhookEndpoints: {},
  invitations: {},
  redirectUris: {},
  corsOrigins: {},
  applications: {},
  applicationSecrets: {},
  registration: { cimd: true, dcr: true },
});

/** Where the environment lies, in a folder of its own, readable by the owner alone. */
export class Store {
  readonly #file: string;
  readonly #journal: string;
  readonly environment: Environment;
  /** Whether an environment without this field was kept there: it was begun by an earlier version, or just now. */
  readonly lacked: ReadonlySet<keyof Environment>;
  #lines: string[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #closed = false;

  private constructor(dir: string, environment: Environment, lacked: ReadonlySet<keyof Environment>) {
    this.#file = join(dir, 'environment.json');
    this.#journal = join(dir, 'events.jsonl');
    this.environment = environment;
    this.lacked = lacked;
  }

  /** Reads the environment kept in `dir`, or begins one with what `create` makes. */
  static async open(dir: string, create: () => Promise<Credentials>): Promise<Store> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const kept = readJson<Credentials & Partial<Environment>>(join(dir, 'environment.json'));
    const beginning = empty();
    const lacked = new Set((Object.keys(beginning) as (keyof typeof beginning)[]).filter((field) => kept?.[field] === undefined));
    const store = new Store(dir, { ...beginning, ...(kept ?? (await create())) }, lacked);
    if (kept === undefined) store.#write();
    return store;
  }

  /** Lines of the journal, oldest first. A line that a crash cut short is left out. */
  journal<T>(): T[] {
    const lines = readText(this.#journal)?.split('\n') ?? [];
    return lines.flatMap((line) => {
      try {
        return [JSON.parse(line) as T];
      } catch {
        return [];
      }
    });
  }

  /** Adds a line to the journal with the next write of the environment. */
  append(line: object): void {
    this.#lines.push(JSON.stringify(line));
    this.save();
  }

  replaceJournal(lines: readonly object[]): void {
    replace(this.#journal, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  /** Notes that the environment has changed: it is written as soon as the program gives way, changes made at once together. */
  save(): void {
    if (this.#closed) return;
    this.#writing ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#writing = undefined;
        try {
          if (!this.#closed) this.#write();
          this.#failure = undefined;
        } catch (error) {
          this.#failure = error;
        }
        resolve();
      });
    });
  }

  /**
   * Settles when every change noted so far is written. Awaited before an answer goes out: whoever got one finds the object again after a crash.
   * @throws what kept the environment from being written
   */
  async saved(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes what has not been written; later changes are not kept. */
  close(): void {
    if (this.#writing !== undefined && !this.#closed) this.#write();
    this.#closed = true;
  }

  #write(): void {
    if (this.#lines.length > 0) appendFileSync(this.#journal, `${this.#lines.join('\n')}\n`, { mode: 0o600 });
    this.#lines = [];
    writeJson(this.#file, this.environment);
  }
}

/** The value in `file`, or undefined when there is none. */
export function readJson<T>(file: string): T | undefined {
  const text = readText(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`cannot read ${file}; remove it to start afresh`, { cause: error });
  }
}

/** Replaces `file` in one step, so that a crash leaves the old or the new contents. */
export function writeJson(file: string, value: unknown): void {
  replace(file, JSON.stringify(value));
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Error(`cannot read ${file}; remove it to start afresh`, { cause: error });
  }
}

function replace(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
