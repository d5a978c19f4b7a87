import type { Tenant } from '../../crds/tenant.ts';
import type { DatabaseServer } from '../database/server.ts';
import { secretNames } from '../objects/names.ts';
import type { SecretsState } from '../secrets/ensure-secrets.ts';
import { nextRotation } from '../secrets/rotation.ts';
import { finish, retire, rotationStep } from '../secrets/rotation-steps.ts';
import { SecretStore } from '../secrets/stored-secret.ts';
import type { Context, RequeueAfter } from './context.ts';
import { isRolled, type WorkloadState } from './workload-state.ts';

/** Finishes a rotation once all pods have its secrets. Removes the replaced secrets once the overlap is over. */
export async function advanceRotation(
  tenant: Tenant,
  secrets: SecretsState,
  server: DatabaseServer | undefined,
  workload: WorkloadState,
  context: Context,
  signal: AbortSignal,
): Promise<RequeueAfter> {
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
    const recordOutcome = (outcome: string): void => audit.rotated(audited, names, cause, outcome);
    const finished = await finish(tenant, store, now(), () => recordOutcome('ok')).catch((error: unknown) => {
      recordOutcome('failed');
      throw error;
    });
    if (finished) {
      metrics.rotations.inc({ cause });
      await events.record(tenant, 'Normal', 'SecretsRotated', `The secrets were rotated (${id}).`);
    }
  } else {
    await retire(tenant, server, store, now(), signal);
    audit.rotated(audited, replacedBy(secrets), 'expired-overlap');
    await events.record(tenant, 'Normal', 'SecretsRetired', 'The replaced secrets are no longer valid.');
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
