import type { Endpoints } from '../../crds/names.ts';
import { labels, namespaceOf } from '../../crds/names.ts';
import type { StackTemplate } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeObject, Resource } from '../../kube/resources.ts';
import type { Settings } from '../settings.ts';

/** Complete input of the rendering of a tenant's objects. */
export interface Blueprint {
  readonly tenant: Tenant;
  /** UID of the tenant. */
  readonly uid: string;
  readonly template: Pick<StackTemplate, 'spec'>;
  readonly revision: string;
  /** Checked against the template's schema, with its defaults filled in. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly endpoints: Endpoints;
  /** Origins of the custom domains that serve, such as https://mcp.acme.com. */
  readonly domains: readonly string[];
  /** Whether the pod gets a database. */
  readonly database: boolean;
  /** Keys of the template's secrets in their Secret, by name of the secret. */
  readonly generatedKeys: Readonly<Record<string, string>>;
  /** Changes when a Secret that the pod reads at start is replaced. */
  readonly secretsFingerprint: string;
  readonly settings: Settings;
}

/** One object of a tenant. */
export interface Child {
  readonly resource: Resource;
  readonly object: KubeObject;
}

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

/** An object in the tenant's namespace. */
export function child(tenant: Tenant, resource: Resource, name: string, body: object, component?: string): Child {
  return {
    resource,
    object: {
      apiVersion: resource.apiVersion,
      kind: resource.kind,
      metadata: { name, namespace: namespaceOf(tenant.metadata.name), labels: labelsOf(tenant, component) },
      ...body,
    },
  };
}

/** The child with additional annotations. */
export function annotated(child: Child, annotations: Readonly<Record<string, string>>): Child {
  if (Object.keys(annotations).length === 0) return child;
  return { ...child, object: { ...child.object, metadata: { ...child.object.metadata, annotations } } };
}
