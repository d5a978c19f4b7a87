import type { Endpoints } from '../../crds/names.ts';
import { labels, namespaceOf } from '../../crds/names.ts';
import type { StackTemplate } from '../../crds/stack-template.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeObject, Resource } from '../../kube/resources.ts';
import type { Settings } from '../settings.ts';

/** All that a tenant's objects are rendered from. Rendering reads nothing else. */
export interface Blueprint {
  readonly tenant: Tenant;
  /** UID of the tenant. */
  readonly uid: string;
  readonly template: Pick<StackTemplate, 'spec'>;
  readonly revision: string;
  /** Checked against the template's schema, with its defaults. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly endpoints: Endpoints;
  /** Origins of the custom domains that serve, such as https://mcp.acme.com. */
  readonly domains: readonly string[];
  /** Whether the pod gets a database. */
  readonly database: boolean;
  /** Where in their Secret the template's secrets are, by name. */
  readonly generatedKeys: Readonly<Record<string, string>>;
  /** Changes when a Secret that the pod reads at start was replaced. */
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
  /** Secrets the template asks for, by name. */
  generated: 'tenantry-generated',
  /** API keys in the clear, for the customer and for the operator's probe; mounted nowhere. */
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

/** Labels a Service or policy selects the serving pods by. They never change, because a Deployment's selector cannot. */
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

/** The child with annotations of its own. */
export function annotated(child: Child, annotations: Readonly<Record<string, string>>): Child {
  if (Object.keys(annotations).length === 0) return child;
  return { ...child, object: { ...child.object, metadata: { ...child.object.metadata, annotations } } };
}
