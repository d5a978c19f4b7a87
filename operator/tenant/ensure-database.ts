import { isTrue } from '../../crds/conditions.ts';
import { databaseNames } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeError } from '../../kube/errors.ts';
import type { DatabaseServer } from '../database/server.ts';
import type { SecretsState } from '../secrets/ensure-secrets.ts';
import { switchLogin } from '../secrets/rotation-steps.ts';
import { SecretStore } from '../secrets/stored-secret.ts';
import { type Context, sweepMs } from './context.ts';
import { type Findings, wasReady } from './status.ts';

/** Ensures that the tenant's logins open its database. Gives the pods the next login once the server has accepted it. */
export async function ensureDatabase(
  tenant: Tenant,
  secrets: SecretsState,
  server: DatabaseServer | undefined,
  context: Context,
  signal: AbortSignal,
): Promise<{ placed: NonNullable<Findings['database']> } | NonNullable<Findings['databaseProblem']>> {
  if (!server || secrets.login === undefined) return { placed: 'none' };
  const uid = tenant.metadata.uid ?? '';
  const names = databaseNames(uid);
  const placed = { server: server.name, name: names.database };
  const { memory, now, random } = context;
  const known = memory.databases.get(uid);
  // A pod that does not serve may be locked out of its database, so the cached result is not used then.
  const serves = isTrue(tenant.status?.conditions, 'WorkloadAvailable') || !wasReady(tenant);
  const { username, password } = secrets.login;
  const trusted = serves && known?.password === password && known.until > now().getTime();
  if (trusted && !secrets.staged) return { placed };
  try {
    if (!trusted) await server.ensure(names, username, password, signal);
    if (secrets.staged) {
      const store = new SecretStore(context.client, tenant, signal);
      await switchLogin(tenant, server, store, signal);
      context.audit.secretsRead({ name: tenant.metadata.name, uid }, store.wereRead, 'rotation');
    }
  } catch (error) {
    if (error instanceof KubeError) throw error;
    context.log.warn({ tenant: tenant.metadata.name, err: error }, 'database not provisioned');
    const code = (error as { code?: unknown }).code;
    return {
      reason: 'ServerUnavailable',
      message: `PostgreSQL server ${server.name} did not provision the database (${typeof code === 'string' ? code : 'no answer'}); trying again.`,
    };
  }
  memory.databases.set(uid, { password, until: now().getTime() + sweepMs * (0.7 + 0.2 * random()) });
  return { placed };
}
