import { setTimeout as delay } from 'node:timers/promises';
import { namespaceOf } from '../crds/names.ts';
import type { Tenant } from '../crds/tenant.ts';
import type { KubeClient } from '../kube/client.ts';
import { type KubeObject, kinds } from '../kube/resources.ts';

export interface Deployment extends KubeObject {
  readonly spec: {
    readonly template: {
      readonly spec: { readonly containers: readonly { readonly env?: readonly { name: string; value?: string }[] }[] };
    };
  };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly updatedReplicas?: number;
    readonly availableReplicas?: number;
  };
}

/** The addresses of a run. Pods read them when they start. */
export interface Addresses {
  readonly routerUrl: string;
  readonly issuer: string;
}

/** Tells whether the status has this start's address. After the router's port has changed, the status is stale until the operator updates it. */
export function isAt(tenant: Tenant | undefined, routerUrl: string): boolean {
  return tenant?.status?.endpoints?.mcp.startsWith(`${routerUrl}/`) === true;
}

/** Resolves when all pods of the tenant run with these addresses. After an address has changed, older pods keep serving for a while. */
export async function rolledOut(client: KubeClient, tenant: string, addresses: Addresses, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { items } = await client.list<Deployment>(kinds.Deployment, { namespace: namespaceOf(tenant), signal });
    if (items.length > 0 && items.every((one) => isRolledOut(one, addresses))) return;
    await delay(200, undefined, { signal });
  }
}

export function isRolledOut({ metadata, spec, status = {} }: Deployment, { routerUrl, issuer }: Addresses): boolean {
  const env = new Map(spec.template.spec.containers.flatMap((container) => container.env ?? []).map(({ name, value }) => [name, value]));
  const { replicas, updatedReplicas, availableReplicas, observedGeneration } = status;
  return (
    env.get('TENANTRY_MCP_URL')?.startsWith(`${routerUrl}/`) === true &&
    env.get('TENANTRY_OAUTH_ISSUER') === issuer &&
    observedGeneration === metadata.generation &&
    replicas === updatedReplicas &&
    replicas === availableReplicas
  );
}
