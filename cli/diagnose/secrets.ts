import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { Cluster } from './cluster.ts';

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * Every value of the Secrets in the tenant's namespace. The values are used only to redact them in the output. The list is empty if the
 * Secrets cannot be read. Texts that look like a secret are redacted even then.
 */
export async function secretsOf(cluster: Cluster, tenant: string): Promise<string[]> {
  try {
    const secrets = await cluster.list<Secret>(kinds.Secret, tenant);
    return secrets.flatMap(({ data }) => Object.values(data ?? {}).map((value) => Buffer.from(value, 'base64').toString('utf8')));
  } catch (error) {
    if (error instanceof KubeError) return [];
    throw error;
  }
}
