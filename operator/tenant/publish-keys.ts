import { createHash } from 'node:crypto';
import { canonicalJson } from '../../audit/json.ts';
import type { ApiKeyRecord } from '../../crds/api-keys.ts';
import { labels, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { secretNames } from '../objects/names.ts';
import { settleKeyFile } from '../secrets/ensure-secrets.ts';
import { fittingKeys, recordOfObject, validKeys } from '../secrets/key-selection.ts';
import { overlapOf } from '../secrets/rotation.ts';
import { SecretStore } from '../secrets/stored-secret.ts';
import type { Context } from './context.ts';
import type { KeysProblem } from './status.ts';

const keysAnnotation = 'tenantry.dev/keys';

/** Wanted records of a tenant's file of keys, in addition to the generated keys. */
export interface WantedKeys {
  readonly records: readonly ApiKeyRecord[];
  /** Equal digests mean equal files, while the generated keys are the same. */
  readonly digest: string;
  /** Number of keys that are left out for lack of room. */
  readonly leftOut: number;
}

export function wantedKeys(tenant: Tenant, namespace: KubeObject, { apiKeys, now }: Context): WantedKeys {
  const { name, uid = '' } = tenant.metadata;
  const valid = validKeys(apiKeys(name), uid, namespace.metadata.creationTimestamp ?? '');
  const fitting = fittingKeys(valid, now());
  const records = fitting.map(recordOfObject);
  // The overlap decides when replaced generated keys expire.
  const digest = createHash('sha256')
    .update(canonicalJson([records, overlapOf(tenant)]))
    .digest('base64url');
  return { records, digest, leftOut: valid.length - fitting.length };
}

/**
 * Keeps the file of keys up to date, even if the tenant is blocked. A revoked key must stop working although the template is missing or the
 * tenant is paused. Does nothing if this pass has already written the file, or if the namespace does not exist yet.
 */
export async function keepKeys(tenant: Tenant, context: Context, signal: AbortSignal): Promise<KeysProblem | undefined> {
  const { client, children, memory, audit } = context;
  const { name, uid = '' } = tenant.metadata;
  const namespace = children.find(name, kinds.Namespace, undefined, namespaceOf(name));
  if (!namespace || namespace.metadata.deletionTimestamp !== undefined || namespace.metadata.labels?.[labels.tenantUid] !== uid) return;
  const { records, digest, leftOut } = wantedKeys(tenant, namespace, context);
  const problem = leftOut > 0 ? tooMany(leftOut, leftOut + records.length) : undefined;
  if (memory.keys.get(uid) === digest) return problem;
  const store = new SecretStore(client, tenant, signal);
  const [credentials, file] = await Promise.all([store.read(secretNames.credentials), store.read(secretNames.apiKeys)]);
  if (store.wereRead.length > 0) audit.secretsRead({ name, uid }, store.wereRead, 'sweep');
  // If both Secrets are missing, no pod has run yet. They are created before the first pod.
  if (credentials || file) {
    const written = await settleKeyFile(credentials, file, tenant, records, store);
    if (written.resourceVersion !== file?.resourceVersion) await nudgePods(tenant, written.resourceVersion ?? '', context, signal);
  }
  memory.keys.set(uid, digest);
  return problem;
}

function tooMany(leftOut: number, all: number): KeysProblem {
  const message = `${leftOut} of ${all} API keys do not fit into the pods' file and do not work, the newest first. Revoke keys that nobody uses.`;
  return { reason: 'TooManyKeys', message };
}

/**
 * Makes the kubelets sync the tenant's pods, and so the file of keys, at once. By themselves they sync once a minute or later, and a
 * revoked key would work until then.
 */
export async function nudgePods(
  { metadata: { name } }: Tenant,
  keys: string,
  { client, children, log }: Context,
  signal: AbortSignal,
): Promise<void> {
  const namespace = namespaceOf(name);
  const pods = children.podsOf(name).filter(({ metadata }) => metadata.labels?.[labels.component] === 'stack');
  await Promise.all(
    pods.map(({ metadata }) =>
      client
        .patch(
          kinds.Pod,
          metadata.name,
          { metadata: { uid: metadata.uid, annotations: { [keysAnnotation]: keys } } },
          { namespace, signal },
        )
        // The pod is gone, or its kubelet syncs later by itself.
        .catch((error: unknown) => log.debug({ tenant: name, err: error }, 'pod not nudged')),
    ),
  );
}
