import { namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeObject, Resource } from '../../kube/resources.ts';
import { labelsOf } from './names.ts';

/** One object of a tenant. */
export interface Child {
  readonly resource: Resource;
  readonly object: KubeObject;
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
