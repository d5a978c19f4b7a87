import { canonicalJson } from '../../audit/json.ts';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { KubeError } from '../../kube/errors.ts';
import type { KubeObject } from '../../kube/resources.ts';
import type { DatabaseServer } from '../database/server.ts';
import { secretNames } from '../render/blueprint.ts';
import { finish, retire, rotationStep } from '../secrets/advance.ts';
import { dueRotation, nextRotation } from '../secrets/rotation.ts';
import { ensureSecrets, type SecretsState } from '../secrets/secrets.ts';
import { SecretStore } from '../secrets/stored-secret.ts';
import { type Again, type Context, sweepMs } from './context.ts';
import { nudgePods, wantedKeys } from './keys.ts';
import { hadSecrets } from './status.ts';
import { isRolled, type WorkloadState } from './workload.ts';

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
    const why = current.request === undefined ? 'the rotation period is over' : `requested as ${current.request}`;
    await context.events.record(tenant, 'Normal', 'SecretsRotating', `The secrets are being rotated (${current.id}): ${why}.`);
  }
  return state;
}

/** Finishes a rotation once all pods have its secrets. Removes the replaced secrets once the overlap is over. */
export async function advanceRotation(
  tenant: Tenant,
  secrets: SecretsState,
  server: DatabaseServer | undefined,
  workload: WorkloadState,
  context: Context,
  signal: AbortSignal,
): Promise<Again> {
  const { client, children, events, audit, metrics, memory, now } = context;
  const { name, uid = '' } = tenant.metadata;
  const rolled = isRolled(workload, children.podsOf(name), secrets.fingerprint, tenant.spec.suspended === true);
  const step = rotationStep(secrets, rolled, now());
  if (step === undefined) {
    const due = [nextRotation(tenant, secrets.rotation), secrets.retireAt].filter((time) => time !== undefined);
    return due.length === 0 ? undefined : Math.max(1_000, Math.min(...due) - now().getTime());
  }
  const store = new SecretStore(client, tenant, signal);
  const audited = { name, uid };
  if (step === 'finish') {
    const { id, request } = secrets.rotation.current ?? {};
    const names = replacedBy(secrets);
    const cause = request === undefined ? 'schedule' : 'request';
    const tell = (outcome: string) => () => audit.rotated(audited, names, cause, outcome);
    const finished = await finish(tenant, store, now(), tell('ok')).catch((error: unknown) => {
      tell('failed')();
      throw error;
    });
    if (finished) {
      metrics.rotations.inc({ cause });
      await events.record(tenant, 'Normal', 'SecretsRotated', `The secrets were rotated (${id}).`);
    }
  } else {
    await retire(tenant, server, store, now(), signal);
    audit.rotated(audited, replacedBy(secrets), 'expired-overlap');
    await events.record(tenant, 'Normal', 'SecretsRetired', 'Secrets that were replaced are valid no more.');
  }
  audit.secretsRead(audited, store.wereRead, 'rotation');
  memory.secrets.delete(uid);
  // The next pass updates the file of keys and the status.
  return 1;
}

/** Names of the secrets that a rotation replaces. */
function replacedBy({ generatedKeys, login }: SecretsState): string[] {
  return [
    ...['apiKey', 'probeKey'].map((key) => `${secretNames.credentials}/${key}`),
    ...Object.keys(generatedKeys).map((name) => `${secretNames.generated}/${name}`),
    ...(login ? [`${secretNames.database}/password`] : []),
  ];
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
