import { createHash, randomBytes } from 'node:crypto';
import { type ApiKeyRecord, generateApiKey, recordOf } from '../../crds/api-keys.ts';
import { databaseNames, namespaceOf } from '../../crds/names.ts';
import { canonicalJson, type StackTemplateSpec } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { DatabaseServer } from '../database/server.ts';
import { labelsOf, secretNames } from '../render/blueprint.ts';

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** What the operator has to know of a tenant's Secrets. */
export interface SecretsState {
  /** Digest of the Secrets that pods read at their start: it changes when one of them does. They are random, so it gives nothing away. */
  readonly fingerprint: string;
  readonly probeKey: string;
  readonly databasePassword: string | undefined;
  /** Names of the Secrets that had to be created in this pass. */
  readonly created: readonly string[];
}

type Values = Readonly<Record<string, string>>;

/**
 * Sees to it that a tenant's Secrets exist. A Secret is created once and never rendered again: what is in it stays until it is
 * rotated or lost, and a lost one gets new values.
 */
export async function ensureSecrets(
  client: KubeClient,
  tenant: Tenant,
  template: StackTemplateSpec,
  server: DatabaseServer | undefined,
  /** The tenant's keys besides those that are generated here. */
  keys: readonly ApiKeyRecord[],
  signal: AbortSignal,
): Promise<SecretsState> {
  const created: string[] = [];
  const ensure = async (name: string, values: (existing: Values) => Values): Promise<{ values: Values }> => {
    const result = await ensureSecret(client, tenant, name, values, signal);
    if (result.created) created.push(name);
    return result;
  };
  const credentials = await ensure(secretNames.credentials, (existing) => ({
    apiKey: existing['apiKey'] ?? generateApiKey(),
    probeKey: existing['probeKey'] ?? generateApiKey(),
  }));
  const { apiKey = '', probeKey = '' } = credentials.values;
  await ensure(secretNames.apiKeys, () => ({
    'keys.json': JSON.stringify([recordOf(apiKey, 'default', ['mcp', 'api']), recordOf(probeKey, 'operator', ['probe']), ...keys]),
  }));
  const generated = template.secrets?.length
    ? await ensure(secretNames.generated, (existing) =>
        Object.fromEntries(
          (template.secrets ?? []).map(({ name, bytes }) => [name, existing[name] ?? randomBytes(bytes ?? 32).toString('base64url')]),
        ),
      )
    : undefined;
  const database = server
    ? await ensure(secretNames.database, (existing) => {
        const names = databaseNames(tenant.metadata.uid ?? '');
        const password = existing['password'] ?? randomBytes(24).toString('base64url');
        return { url: server.urlOf(names, password), username: names.login, password };
      })
    : undefined;
  const fingerprint = createHash('sha256')
    .update(canonicalJson([generated?.values ?? {}, database?.values ?? {}]))
    .digest('hex')
    .slice(0, 16);
  return { fingerprint, probeKey, databasePassword: database?.values['password'], created };
}

async function ensureSecret(
  client: KubeClient,
  tenant: Tenant,
  name: string,
  values: (existing: Values) => Values,
  signal: AbortSignal,
): Promise<{ values: Values; created: boolean }> {
  const namespace = namespaceOf(tenant.metadata.name);
  const existing = await client.find<SecretObject>(kinds.Secret, name, { namespace, signal });
  if (existing) {
    const current = decode(existing.data ?? {});
    const wanted = values(current);
    const changed = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => current[key] !== value));
    // A key is missing when the template asks for another secret, or when somebody emptied this one.
    if (Object.keys(changed).length > 0) {
      await client.patch(
        kinds.Secret,
        name,
        { metadata: { resourceVersion: existing.metadata.resourceVersion }, stringData: changed },
        { namespace, signal },
      );
    }
    return { values: { ...current, ...wanted }, created: false };
  }
  const fresh = values({});
  const object = { metadata: { name, namespace, labels: labelsOf(tenant) }, type: 'Opaque', stringData: fresh };
  await client.create<SecretObject>(kinds.Secret, object, { signal });
  return { values: fresh, created: true };
}

function decode(data: Values): Values {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

/** Rights that were given a moment ago, as to a new namespace, take time to take effect. */
export function isForbidden(error: unknown): boolean {
  return error instanceof KubeError && error.status === 403;
}
