import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type {
  Application,
  ApplicationSecret,
  Invitation,
  Membership,
  OAuthResource,
  Organization,
  Permission,
  RedirectUri,
  RegistrationSwitches,
  Role,
  User,
  WebhookEndpoint,
} from './records.ts';

/** A signing key: private JWK, and the self-signed certificate that WorkOS's key sets carry as x5c. */
export interface SigningKey {
  readonly jwk: JWK;
  readonly certificate: string;
}

/** State that must survive a restart, so that configured clients and registered resources keep working. */
export interface Environment {
  clientId: string;
  apiKey: string;
  cookieSecret: string;
  /** Signs session access tokens. */
  sessionKey: SigningKey;
  /** Signs OAuth access tokens. As at WorkOS, they have a different issuer and key. */
  oauthKey: SigningKey;
  organizations: Record<string, Organization>;
  users: Record<string, User>;
  /** scrypt hashes by user id. */
  passwords: Record<string, string>;
  memberships: Record<string, Membership>;
  resources: Record<string, OAuthResource>;
  /** Permissions that roles may have, by slug. */
  definedPermissions: Record<string, Permission>;
  /** Roles by slug, in their order of priority. */
  roles: Record<string, Role>;
  webhookEndpoints: Record<string, WebhookEndpoint>;
  invitations: Record<string, Invitation>;
  redirectUris: Record<string, RedirectUri>;
  applications: Record<string, Application>;
  applicationSecrets: Record<string, ApplicationSecret>;
  registration: RegistrationSwitches;
}

/** Keys and credentials, which are created once. All other parts of an environment begin empty. */
export type Credentials = Pick<Environment, 'clientId' | 'apiKey' | 'cookieSecret' | 'sessionKey' | 'oauthKey'>;

const empty = (): Omit<Environment, keyof Credentials> => ({
  organizations: {},
  users: {},
  passwords: {},
  memberships: {},
  resources: {},
  definedPermissions: {},
  roles: {},
  webhookEndpoints: {},
  invitations: {},
  redirectUris: {},
  applications: {},
  applicationSecrets: {},
  registration: { cimd: true, dcr: true },
});

/** Storage of the environment in its own folder, which only the owner can read. */
export class Store {
  readonly #file: string;
  readonly #journal: string;
  readonly environment: Environment;
  /** True when the folder held no environment. */
  readonly isNew: boolean;
  #lines: string[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;
  #closed = false;

  private constructor(dir: string, environment: Environment, isNew: boolean) {
    this.#file = join(dir, 'environment.json');
    this.#journal = join(dir, 'events.jsonl');
    this.environment = environment;
    this.isNew = isNew;
  }

  /** Reads the environment in `dir`, or starts one with the credentials of `create`. */
  static async open(dir: string, create: () => Promise<Credentials>): Promise<Store> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const kept = readJson<Environment>(join(dir, 'environment.json'));
    const store = new Store(dir, kept ?? { ...empty(), ...(await create()) }, kept === undefined);
    if (kept === undefined) store.#write();
    return store;
  }

  /** Lines of the journal, oldest first. Skips a line that a crash cut short. */
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

  /** Schedules a write of the environment for the next turn of the event loop. Simultaneous changes share one write. */
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
   * Settles when all changes so far are written. Awaited before an answer is sent, so that an acknowledged object survives a crash.
   * @throws the error of the failed write
   */
  async saved(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes pending changes. Later changes are not kept. */
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

/** Returns the value in `file`. Undefined when the file does not exist. */
export function readJson<T>(file: string): T | undefined {
  const text = readText(file);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`cannot read ${file}; remove it to start afresh`, { cause: error });
  }
}

/** Replaces `file` atomically, so that a crash leaves the old or the new contents. */
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
