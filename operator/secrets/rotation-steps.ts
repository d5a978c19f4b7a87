import { databaseNames } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { DatabaseServer } from '../database/server.ts';
import { secretNames } from '../objects/names.ts';
import { forgotten, promoted } from './credentials.ts';
import type { SecretsState } from './ensure-secrets.ts';
import { withoutPrevious } from './generated.ts';
import { previousLogins, stagedLogin, switched, withoutPreviousLogins } from './login.ts';
import { rotationOf } from './rotation.ts';
import type { SecretStore } from './stored-secret.ts';

export type RotationStep = 'finish' | 'retire';

/** The next step of a rotation. `rolled`: all pods were made with the present Secrets. */
export function rotationStep({ rotation, retireAt }: SecretsState, rolled: boolean, now: Date): RotationStep | undefined {
  if (!rolled) return undefined;
  if (rotation.current) return 'finish';
  return retireAt !== undefined && retireAt <= now.getTime() ? 'retire' : undefined;
}

/** Enables the next login on the server, then gives it to the pods. @throws what the server's driver throws. */
export async function switchLogin(tenant: Tenant, server: DatabaseServer, store: SecretStore, signal: AbortSignal): Promise<void> {
  const [credentials, database] = await Promise.all([store.read(secretNames.credentials), store.read(secretNames.database)]);
  const staged = stagedLogin(database, tenant);
  if (!database || !staged) return;
  await server.ensure(databaseNames(tenant.metadata.uid ?? ''), staged.username, staged.password, signal);
  const contents = switched(database, tenant, server, rotationOf(credentials));
  if (contents) await store.settle(secretNames.database, database, contents);
}

/**
 * Replaces the present keys by the next keys. Resolves with whether there were any. Calls `beforeWrite`, so that the replacement is
 * recorded even if the operator ends right after the write.
 */
export async function finish(tenant: Tenant, store: SecretStore, now: Date, beforeWrite: () => void): Promise<boolean> {
  const credentials = await store.read(secretNames.credentials);
  const contents = credentials && promoted(credentials, tenant, now);
  if (!contents) return false;
  beforeWrite();
  await store.settle(secretNames.credentials, credentials, contents);
  return true;
}

/** Removes the replaced values and locks the replaced login. */
export async function retire(
  tenant: Tenant,
  server: DatabaseServer | undefined,
  store: SecretStore,
  now: Date,
  signal: AbortSignal,
): Promise<void> {
  const [credentials, generated, database] = await Promise.all(
    [secretNames.credentials, secretNames.generated, secretNames.database].map((name) => store.read(name)),
  );
  if (server && database) {
    const logins = previousLogins(database, tenant);
    for (const login of logins) await server.lock(login, signal);
    if (logins.length > 0) await store.settle(secretNames.database, database, withoutPreviousLogins(database));
  }
  if (generated) await store.settle(secretNames.generated, generated, withoutPrevious(generated));
  if (credentials) await store.settle(secretNames.credentials, credentials, forgotten(credentials, tenant, now));
}
