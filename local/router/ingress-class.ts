import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { Log } from '../machine/process.ts';
import type { Ingress } from './routes.ts';

export const ingressClassName = 'tenantry-local';

export const ingressClass: KubeObject & { spec: object } = {
  metadata: { name: ingressClassName },
  spec: { controller: 'tenantry.dev/local-router' },
};

const address = { hostname: 'localhost' };

/** Writes the router's address into the Ingress to show that it is routed, unless the address is there already. */
export async function announce(client: KubeClient, ingress: Ingress, log: Log, signal: AbortSignal): Promise<void> {
  const shown = ingress.status?.loadBalancer?.ingress ?? [];
  if (shown.length === 1 && shown[0]?.hostname === address.hostname) return;
  const { name, namespace, uid } = ingress.metadata;
  try {
    const status = { loadBalancer: { ingress: [address] } };
    await client.patch(kinds.Ingress, name, { metadata: { uid }, status }, { namespace, subresource: 'status', signal });
  } catch (error) {
    // The next change of the Ingress triggers a retry. A deleted Ingress needs none.
    if (!signal.aborted) log.debug({ err: error, ingress: `${namespace}/${name}` }, 'address of ingress not written');
  }
}
