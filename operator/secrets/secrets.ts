import { createHash } from 'node:crypto';
import { canonicalJson } from '../../audit/json.ts';
import type { ApiKeyRecord } from '../../crds/api-keys.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { DatabaseServer } from '../database/server.ts';
import { secretNames } from '../render/blueprint.ts';
import { recordsOf, wantedCredentials } from './credentials.ts';
import { keysOf, wantedSecrets } from './generated.ts';
import { type Login, loginOf, previousLogins, stagedLogin, wantedLogin } from './login.ts';
import { markOf, overlapOf, type Rotation, rotationOf } from './rotation.ts';
import type { SecretContents, SecretStore, StoredSecret, Values } from './stored-secret.ts';

/** What the operator has to know of a tenant's Secrets. */
export interface SecretsState {
  /**
   * Digest of the Secrets that pods read at their start, and of the rotation they are of: it changes when one of them does. They are random, so
   * it gives nothing away.
   */
  readonly fingerprint: string;
  readonly probeKey: string;
  /** Login of the pods; undefined without a database. */
  readonly login: Login | undefined;
  /** A login that the database's server must take before the pods are given it. */
  readonly staged: Login | undefined;
  /** Where in their Secret the template's secrets are, by name. */
  readonly generatedKeys: Values;
  readonly rotation: Rotation;
  /** Versions of the Secrets by name: as long as they are the same, so is all of this. */
  readonly versions: Values;
  /** When what was replaced stops being valid, in milliseconds since the epoch; undefined when nothing is left of it. */
  readonly retireAt: number | undefined;
  /** Names the state of the file of keys where it was written in this pass: mounted copies of it are old. */
  readonly keysWritten: string | undefined;
  /** Names of the Secrets that had to be created in this pass. */
  readonly created: readonly string[];
}

export interface SecretsWanted {
  readonly tenant: Tenant;
  readonly template: StackTemplateSpec;
  readonly server: DatabaseServer | undefined;
  /** The tenant's keys besides those that are generated here. */
  readonly keys: readonly ApiKeyRecord[];
  readonly now: Date;
}

/**
 * Sees to it that a tenant's Secrets exist, and begins a rotation that is due. A Secret is created once and never rendered again: what is in
 * it stays until it is rotated or lost, and a lost one gets new values.
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

/** Writes the pods' file of keys where it does not say yet what it should: the generated keys, and `keys`. */
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

/** A rotation makes new pods even where it changes nothing they read at their start: a new pod surely knows the next keys. */
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
