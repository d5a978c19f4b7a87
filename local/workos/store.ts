import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWK } from 'jose';
import type { Membership, OAuthResource, Organization, User } from './records.ts';

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
}

/** Where the environment lies, in a folder of its own, readable by the owner alone. */
export class Store {
  readonly #file: string;
  readonly environment: Environment;

  private constructor(file: string, environment: Environment) {
    this.#file = file;
    this.environment = environment;
  }

  /** Reads the environment kept in `dir`, or keeps what `create` makes. */
  static async open(dir: string, create: () => Promise<Environment>): Promise<Store> {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const file = join(dir, 'environment.json');
    const kept = readJson<Environment>(file);
    const store = new Store(file, kept ?? (await create()));
    if (kept === undefined) store.save();
    return store;
  }

  /** Written before the answer goes out: whoever got an answer finds the object again after a crash. */
  save(): void {
    writeJson(this.#file, this.environment);
  }
}

/** The value in `file`, or undefined when there is none. */
export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new Error(`cannot read ${file}; remove it to start afresh`, { cause: error });
  }
}

/** Replaces `file` in one step, so that a crash leaves the old or the new contents. */
export function writeJson(file: string, value: unknown): void {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
