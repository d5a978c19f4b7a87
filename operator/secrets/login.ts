import { randomBytes } from 'node:crypto';
import { databaseNames, otherLogin } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { DatabaseServer } from '../database/server.ts';
import { annotate, markOf, type Rotation } from './rotation.ts';
import type { SecretContents, StoredSecret } from './stored-secret.ts';

/** A role that logs in to a tenant's database. */
export interface Login {
  readonly username: string;
  readonly password: string;
}

const next = { username: 'next.username', password: 'next.password' } as const;

/**
 * The login of a tenant's pods, and during a rotation also the next login. The next login is the other of the tenant's two roles. It is
 * only stored here: the server must accept it before the pods get it.
 */
export function wantedLogin(
  found: StoredSecret | undefined,
  tenant: Tenant,
  server: DatabaseServer,
  { current }: Rotation,
): SecretContents {
  const values = found?.values ?? {};
  const { username, password } = loginOf(found, tenant) ?? { username: namesOf(tenant).login, password: fresh() };
  const staged = found && current && markOf(found).id !== current.id;
  // A lost Secret leaves unknown which of the two roles it named, so the other role counts as replaced.
  const annotations = !found && tenant.status?.server ? annotate({ previous: [otherLogin(username)] }) : {};
  return {
    values: {
      ...contents(tenant, server, { username, password }),
      ...(staged ? { [next.username]: otherLogin(username), [next.password]: values[next.password] ?? fresh() } : {}),
    },
    annotations,
  };
}

export function loginOf(found: StoredSecret | undefined, tenant: Tenant): Login | undefined {
  const { username = '', password } = found?.values ?? {};
  const { login } = namesOf(tenant);
  if (password === undefined) return undefined;
  return { username: [login, otherLogin(login)].includes(username) ? username : login, password };
}

/** The next login, which the server has not accepted yet. */
export function stagedLogin(found: StoredSecret | undefined, tenant: Tenant): Login | undefined {
  const [username, password] = [found?.values[next.username], found?.values[next.password]];
  const present = loginOf(found, tenant);
  // The next login is never the role that the pods use, because a new password would lock them out.
  return present && password !== undefined && username === otherLogin(present.username) ? { username, password } : undefined;
}

/** Contents of the Secret that give the pods the next login. The server has accepted it. */
export function switched(found: StoredSecret, tenant: Tenant, server: DatabaseServer, { current }: Rotation): SecretContents | undefined {
  const [present, staged] = [loginOf(found, tenant), stagedLogin(found, tenant)];
  if (!present || !staged || !current) return undefined;
  return {
    values: { ...contents(tenant, server, staged), [next.username]: null, [next.password]: null },
    annotations: annotate({ id: current.id, previous: [present.username] }),
  };
}

/** Replaced logins that are still enabled. */
export function previousLogins(found: StoredSecret | undefined, tenant: Tenant): string[] {
  const unused = otherLogin(loginOf(found, tenant)?.username ?? namesOf(tenant).login);
  return (markOf(found).previous ?? []).filter((login) => login === unused);
}

export function withoutPreviousLogins(found: StoredSecret): SecretContents {
  const { previous: _locked, ...mark } = markOf(found);
  return { values: {}, annotations: annotate(mark) };
}

function contents(tenant: Tenant, server: DatabaseServer, { username, password }: Login): Record<string, string> {
  return { url: server.urlOf(namesOf(tenant), username, password), username, password };
}

const namesOf = (tenant: Tenant) => databaseNames(tenant.metadata.uid ?? '');
const fresh = (): string => randomBytes(24).toString('base64url');
