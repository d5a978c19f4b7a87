import pg from 'pg';
import { databaseNames, namespaceOf, otherLogin } from '../crds/names.ts';
import type { Tenant } from '../crds/tenant.ts';
import { type KubeObject, kinds } from '../kube/resources.ts';
import { registeredResources } from './identity.ts';
import type { Stack } from './stack.ts';

/** Lists the remains of a deleted tenant, one line each. Empty when everything is gone. */
export async function leftovers(stack: Pick<Stack, 'client' | 'postgres' | 'identity'>, tenant: Tenant): Promise<string[]> {
  const { name, uid = '' } = tenant.metadata;
  const found: string[] = [];
  if (await stack.client.find<KubeObject>(kinds.Tenant, name)) found.push(`Tenant ${name}`);
  const namespace = namespaceOf(name);
  if (await stack.client.find<KubeObject>(kinds.Namespace, namespace)) found.push(`namespace ${namespace}`);
  const { items } = await stack.client.list<KubeObject>(kinds.Pod, { namespace });
  found.push(...items.map((pod) => `pod ${pod.metadata.name}`));
  found.push(...(await inPostgres(stack.postgres.url, uid)));
  const urls = Object.values(tenant.status?.endpoints ?? {});
  const registered = await registeredResources(stack.identity);
  found.push(...registered.filter(({ uri }) => urls.includes(uri)).map(({ uri }) => `OAuth resource ${uri}`));
  return found;
}

async function inPostgres(url: string, uid: string): Promise<string[]> {
  const { database, owner, login } = databaseNames(uid);
  const connection = new pg.Client({ connectionString: url });
  await connection.connect();
  try {
    const { rows } = await connection.query<{ what: string }>(
      `SELECT 'database ' || datname AS what FROM pg_database WHERE datname = $1
       UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = ANY($2)`,
      [database, [owner, login, otherLogin(login)]],
    );
    return rows.map((row) => row.what);
  } finally {
    await connection.end();
  }
}
