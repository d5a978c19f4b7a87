import { createHash } from 'node:crypto';
import { canonicalJson } from '../../audit/json.ts';
import type { ApiKeyRecord } from '../../crds/api-keys.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { DatabaseServer } from '../database/server.ts';
import { secretNames } from '../objects/names.ts';
import { recordsOf, wantedCredentials } from './credentials.ts';
import { keysOf, wantedSecrets } from './generated.ts';
import { type Login, loginOf, previousLogins, stagedLogin, wantedLogin } from './login.ts';
import { markOf, overlapOf, type Rotation, rotationOf } from './rotation.ts';
import type { SecretContents, SecretStore, StoredSecret, Values } from './stored-secret.ts';

/** State of a tenant's Secrets. */
export interface SecretsState {
  /**
   * Digest of the Secrets that pods read at start, and of their rotation. It changes when one of them changes. The values are random, so
   * the digest discloses nothing about them.
   */
  readonly fingerprint: string;
  readonly probeKey: string;
  /** Login of the pods; undefined without a database. */
  readonly login: Login | undefined;
  /** A login that the database's server must accept before the pods get it. */
  readonly staged: Login | undefined;
  /** Keys of the template's secrets in their Secret, by name of the secret. */
  readonly generatedKeys: Values;
  readonly rotation: Rotation;
  /** Versions of the Secrets by name. While they are the same, this whole state is the same. */
  readonly versions: Values;
  /** Time when the replaced values stop being valid, in milliseconds since the epoch; undefined when none are left. */
  readonly retireAt: number | undefined;
  /** Version of the file of keys if it was written in this pass, which makes mounted copies stale; else undefined. */
  readonly keysWritten: string | undefined;
  /** Names of the Secrets that were created in this pass. */
  readonly created: readonly string[];
}

export interface SecretsWanted {
  readonly tenant: Tenant;
  readonly template: StackTemplateSpec;
  readonly server: DatabaseServer | undefined;
  /** The tenant's keys in addition to the keys generated here. */
  readonly keys: readonly ApiKeyRecord[];
  readonly now: Date;
}

/**
 * Creates the missing Secrets of a tenant and begins a rotation that is due. A Secret is created once and never rendered again. Its values
 * stay until they are rotated or lost; a lost Secret gets new values.
 */
export async function ensureSecrets({ tenant, template, server, keys, now }: SecretsWanted, store: SecretStore): Promise<SecretsState> {
  const created: string[] = [];
  const wanted = template.secrets ?? [];
  const [before, file, generatedBefore, databaseBefore] = await Promise.all([
    store.read(secretNames.credentials),
    store.read(secretNames.apiKeys),
    wanted.length > 0 ? store.read(secretNames.generated) : undefined,
    server ? store.read(secretNames.database) : undefined,
  ]);
  const settle = (name: string, found: StoredSecret | undefined, contents: SecretContents): Promise<StoredSecret> => {
    if (!found) created.push(name);
    return store.settle(name, found, contents);
  };
  const credentials = await settle(secretNames.credentials, before, wantedCredentials(before, tenant, now));
  const rotation = rotationOf(credentials);
  if (!file) created.push(secretNames.apiKeys);
  const keyFile = await settleKeyFile(credentials, file, tenant, keys, store);
  const generated =
    wanted.length > 0 ? await settle(secretNames.generated, generatedBefore, wantedSecrets(generatedBefore, wanted, rotation)) : undefined;
  const database = server
    ? await settle(secretNames.database, databaseBefore, wantedLogin(databaseBefore, tenant, server, rotation))
    : undefined;
  const leftOver =
    (rotation.retired ?? []).length > 0 || markOf(generated).previous !== undefined || previousLogins(database, tenant).length > 0;
  return {
    fingerprint: fingerprintOf(rotation, generated, keysOf(generated, wanted), database),
    probeKey: credentials.values['probeKey'] ?? '',
    login: loginOf(database, tenant),
    staged: rotation.current && stagedLogin(database, tenant),
    generatedKeys: keysOf(generated, wanted),
    rotation,
    versions: Object.fromEntries(
      [credentials, keyFile, generated, database].flatMap((secret) => (secret ? [[secret.name, secret.resourceVersion ?? '']] : [])),
    ),
    retireAt: leftOver ? (rotation.last === undefined ? now.getTime() : Date.parse(rotation.last) + overlapOf(tenant)) : undefined,
    keysWritten: keyFile.resourceVersion === file?.resourceVersion ? undefined : keyFile.resourceVersion,
    created,
  };
}

/** Writes the pods' file of keys if it differs from the wanted one: the generated keys, and `keys`. */
export function settleKeyFile(
  credentials: StoredSecret | undefined,
  file: StoredSecret | undefined,
  tenant: Tenant,
  keys: readonly ApiKeyRecord[],
  store: SecretStore,
): Promise<StoredSecret> {
  const records = [...(credentials ? recordsOf(credentials, tenant) : []), ...keys];
  return store.settle(secretNames.apiKeys, file, { values: { 'keys.json': JSON.stringify(records) } });
}

/** A rotation makes new pods even if it changes no value that they read at start, because a new pod is sure to know the next keys. */
function fingerprintOf(rotation: Rotation, generated: StoredSecret | undefined, keys: Values, database: StoredSecret | undefined): string {
  const id = rotation.current?.id ?? rotation.id;
  const { url, username, password } = database?.values ?? {};
  const login = database ? { url, username, password } : {};
  const values = generated?.values ?? {};
  const used = Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, values[key]]));
  return createHash('sha256')
    .update(canonicalJson(id === undefined ? [values, login] : [used, login, id]))
    .digest('hex')
    .slice(0, 16);
}
