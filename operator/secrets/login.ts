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
 * The login of a tenant's pods, and in a rotation the next one, as the other of the tenant's two roles. The next one is only noted here: the
 * server has to take it before the pods are given it.
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
  // Of a Secret that was lost nobody knows which of the two roles it named.
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

/** The login that waits for the server to take it. */
export function stagedLogin(found: StoredSecret | undefined, tenant: Tenant): Login | undefined {
  const [username, password] = [found?.values[next.username], found?.values[next.password]];
  const present = loginOf(found, tenant);
  // Never the role the pods use: its password is not to be changed under them.
  return present && password !== undefined && username === otherLogin(present.username) ? { username, password } : undefined;
}

/** The pods are given the next login, which the server has taken. */
export function switched(found: StoredSecret, tenant: Tenant, server: DatabaseServer, { current }: Rotation): SecretContents | undefined {
  const [present, staged] = [loginOf(found, tenant), stagedLogin(found, tenant)];
  if (!present || !staged || !current) return undefined;
  return {
    values: { ...contents(tenant, server, staged), [next.username]: null, [next.password]: null },
    annotations: annotate({ id: current.id, previous: [present.username] }),
  };
}

/** Logins that the pods do not use any more and that still let in. */
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
