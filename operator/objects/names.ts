import { labels } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';

/** Name under which the operator owns fields of objects. */
export const fieldManager = 'tenantry-operator';

/** Names of the Secrets in a tenant's namespace. */
export const secretNames = {
  /** DATABASE_URL of the pod. */
  database: 'tenantry-database',
  /** Secrets that the template declares, by name. */
  generated: 'tenantry-generated',
  /** API keys in clear text, for the customer and for the operator's probe. No pod mounts it. */
  credentials: 'tenantry-credentials',
  /** Hashes of the API keys, mounted in the sidecar. */
  apiKeys: 'tenantry-api-keys',
} as const;

/** Labels of every object that belongs to a tenant. */
export function labelsOf(tenant: Tenant, component?: string): Record<string, string> {
  return {
    [labels.managedBy]: 'tenantry',
    [labels.name]: tenant.spec.template.name,
    [labels.instance]: tenant.metadata.name,
    [labels.tenant]: tenant.metadata.name,
    [labels.tenantUid]: tenant.metadata.uid ?? '',
    ...(component === undefined ? {} : { [labels.component]: component }),
  };
}

/** Labels by which a Service or policy selects the serving pods. They never change, because the selector of a Deployment is immutable. */
export function selectorOf(tenant: Tenant): Record<string, string> {
  return { [labels.tenant]: tenant.metadata.name, [labels.component]: 'stack' };
}
