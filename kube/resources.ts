import { apiVersion } from '../crds/names.ts';
import type { ObjectMeta } from '../crds/schema.ts';
import { KubeError } from './errors.ts';

/** Where the API server serves a kind. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** Any object of Kubernetes, as raw JSON. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

const cluster = (version: string, kind: string, plural: string): Resource => ({ apiVersion: version, kind, plural, namespaced: false });
const inNamespace = (version: string, kind: string, plural: string): Resource => ({ apiVersion: version, kind, plural, namespaced: true });

/** The kinds Tenantry reads or writes. */
export const kinds = {
  Tenant: cluster(apiVersion, 'Tenant', 'tenants'),
  StackTemplate: cluster(apiVersion, 'StackTemplate', 'stacktemplates'),
  StackTemplateRevision: cluster(apiVersion, 'StackTemplateRevision', 'stacktemplaterevisions'),
  ApiKey: inNamespace(apiVersion, 'ApiKey', 'apikeys'),
  DomainClaim: cluster(apiVersion, 'DomainClaim', 'domainclaims'),
  CustomResourceDefinition: cluster('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions'),
  ValidatingAdmissionPolicy: cluster('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies'),
  ValidatingAdmissionPolicyBinding: cluster(
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicyBinding',
    'validatingadmissionpolicybindings',
  ),
  Namespace: cluster('v1', 'Namespace', 'namespaces'),
  Node: cluster('v1', 'Node', 'nodes'),
  ClusterRole: cluster('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles'),
  ClusterRoleBinding: cluster('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings'),
  Role: inNamespace('rbac.authorization.k8s.io/v1', 'Role', 'roles'),
  RoleBinding: inNamespace('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'),
  TokenReview: cluster('authentication.k8s.io/v1', 'TokenReview', 'tokenreviews'),
  IngressClass: cluster('networking.k8s.io/v1', 'IngressClass', 'ingressclasses'),
  Pod: inNamespace('v1', 'Pod', 'pods'),
  Service: inNamespace('v1', 'Service', 'services'),
  Secret: inNamespace('v1', 'Secret', 'secrets'),
  ConfigMap: inNamespace('v1', 'ConfigMap', 'configmaps'),
  ServiceAccount: inNamespace('v1', 'ServiceAccount', 'serviceaccounts'),
  ResourceQuota: inNamespace('v1', 'ResourceQuota', 'resourcequotas'),
  LimitRange: inNamespace('v1', 'LimitRange', 'limitranges'),
  Event: inNamespace('v1', 'Event', 'events'),
  Deployment: inNamespace('apps/v1', 'Deployment', 'deployments'),
  ReplicaSet: inNamespace('apps/v1', 'ReplicaSet', 'replicasets'),
  Job: inNamespace('batch/v1', 'Job', 'jobs'),
  Ingress: inNamespace('networking.k8s.io/v1', 'Ingress', 'ingresses'),
  HTTPRoute: inNamespace('gateway.networking.k8s.io/v1', 'HTTPRoute', 'httproutes'),
  NetworkPolicy: inNamespace('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'),
  Lease: inNamespace('coordination.k8s.io/v1', 'Lease', 'leases'),
} as const satisfies Record<string, Resource>;

/** API path of a collection or, with `name`, of an object. */
export function pathOf(resource: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const parts = [root];
  if (resource.namespaced && namespace !== undefined) parts.push('namespaces', segment(namespace));
  parts.push(resource.plural);
  if (name !== undefined) parts.push(segment(name));
  if (subresource !== undefined) parts.push(subresource);
  return parts.join('/');
}

/**
 * A name as a path segment. Names that would lead elsewhere are refused: `..`, or an escaped slash, which the API server decodes. See
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#path-segment-names
 */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/%]/.test(name)) throw new KubeError(404, 'NotFound', 'not a valid object name');
  return encodeURIComponent(name);
}

/** Key of an object in queues and caches: `name`, or `namespace/name`. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Whether `a` is an earlier state than `b` of the same object. Resource versions of one collection are ordered numbers (KEP-5504). */
export function isOlder(a: ObjectMeta, b: ObjectMeta): boolean {
  return a.uid === b.uid && BigInt(a.resourceVersion ?? '0') < BigInt(b.resourceVersion ?? '0');
}
