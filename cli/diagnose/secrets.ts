import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { Cluster } from './cluster.ts';

interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * Every value of the Secrets in the tenant's namespace, so that it can be found and taken out of what is shown. They go nowhere else. None
 * where the kubeconfig may not read them: then what looks like a secret is taken out all the same.
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
