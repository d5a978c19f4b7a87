import { canonicalJson } from '../../audit/json.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeError } from '../../kube/errors.ts';
import type { KubeObject } from '../../kube/resources.ts';
import type { DatabaseServer } from '../database/server.ts';
import { ensureSecrets, type SecretsState } from '../secrets/ensure-secrets.ts';
import { dueRotation } from '../secrets/rotation.ts';
import { SecretStore } from '../secrets/stored-secret.ts';
import { type Context, sweepMs } from './context.ts';
import { nudgePods, wantedKeys } from './publish-keys.ts';
import { hadSecrets } from './status.ts';

/** The present state of a tenant's Secrets. They are read every few minutes and after each change of their inputs. */
export async function currentSecrets(
  tenant: Tenant,
  template: StackTemplateSpec,
  namespace: KubeObject,
  server: DatabaseServer | undefined,
  context: Context,
  signal: AbortSignal,
): Promise<SecretsState> {
  const { memory, now } = context;
  const key = tenant.metadata.uid ?? '';
  const { records: keys, digest } = wantedKeys(tenant, namespace, context);
  const contents = canonicalJson([
    namespace.metadata.uid ?? '',
    template.secrets ?? [],
    server?.name ?? '',
    digest,
    tenant.spec.secrets ?? {},
  ]);
  const known = memory.secrets.get(key);
  const store = new SecretStore(context.client, tenant, signal);
  const until = (): number => now().getTime() + sweepMs * (0.7 + 0.2 * context.random());
  if (known && known.contents === contents && !known.state.staged && !dueRotation(tenant, known.state.rotation, now())) {
    if (known.until > now().getTime()) return known.state;
    if (await whenAccessible(() => store.areStill(known.state.versions), signal)) {
      memory.secrets.set(key, { ...known, until: until() });
      return known.state;
    }
  }
  const wanted = { tenant, template, server, keys, now: now() };
  const state = await whenAccessible(() => ensureSecrets(wanted, store), signal);
  const audited = { name: tenant.metadata.name, uid: key };
  if (store.wereRead.length > 0) context.audit.secretsRead(audited, store.wereRead, 'sweep');
  memory.secrets.set(key, { state, contents, until: until() });
  memory.keys.set(key, digest);
  if (state.keysWritten !== undefined) await nudgePods(tenant, state.keysWritten, context, signal);
  if (state.created.length > 0 && hadSecrets(tenant)) {
    context.audit.rotated(audited, state.created, 'lost');
    await context.events.record(
      tenant,
      'Warning',
      'SecretsRegenerated',
      `Secrets were missing and got new values: ${state.created.join(', ')}.`,
    );
  }
  const { current } = state.rotation;
  if (current && current.id !== known?.state.rotation.current?.id) {
    const cause = current.request === undefined ? 'the rotation period is over' : `requested as ${current.request}`;
    await context.events.record(tenant, 'Normal', 'SecretsRotating', `The secrets are being rotated (${current.id}): ${cause}.`);
  }
  return state;
}

/** Retries until the authorizer of the API server knows the permissions of a new RoleBinding. */
async function whenAccessible<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isForbidden(error) || tries >= 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25 * (tries + 1)));
      signal.throwIfAborted();
    }
  }
}

/** Whether permissions are missing. New permissions, such as those to a new namespace, take a moment to become effective. */
export function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}
