import { labels, namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { fieldManager } from '../objects/names.ts';
import type { Context } from './context.ts';

/**
 * Stops the pods of a suspended tenant, even if the tenant is blocked. A suspension must take effect although the template is missing, the
 * migration fails or the database does not answer. Does nothing if this pass has already stopped them.
 */
export async function keepSuspended(tenant: Tenant, { client, children, log }: Context, signal: AbortSignal): Promise<void> {
  if (tenant.spec.suspended !== true) return;
  const { name, uid = '' } = tenant.metadata;
  const namespace = namespaceOf(name);
  const deployment = children.find(name, kinds.Deployment, namespace, 'stack') as
    | (KubeObject & { spec?: { replicas?: number } })
    | undefined;
  if (deployment?.metadata.labels?.[labels.tenantUid] !== uid || deployment.spec?.replicas === 0) return;
  const patch = { metadata: { uid: deployment.metadata.uid }, spec: { replicas: 0 } };
  children.learn(
    name,
    kinds.Deployment,
    await client.patch<KubeObject>(kinds.Deployment, 'stack', patch, { namespace, fieldManager, signal }),
  );
  log.info({ tenant: name }, 'pods of a suspended tenant stopped');
}
