import type { KubeObject } from '../../kube/resources.ts';

/** User name in the client certificate of the node agent and the router. */
export const nodeUser = 'tenantry-node';

const rule = (apiGroups: string[], resources: string[], verbs: string[]) => ({ apiGroups, resources, verbs });

/** The least rights for running pods and routing to them. The agent also does the work of the scheduler and of an ingress controller. */
export const nodeRole: KubeObject & { rules: unknown[] } = {
  metadata: { name: 'tenantry:local-node' },
  rules: [
    rule([''], ['nodes'], ['get', 'list', 'watch', 'create', 'patch']),
    rule([''], ['nodes/status'], ['patch']),
    rule([''], ['pods'], ['get', 'list', 'watch', 'delete']),
    rule([''], ['pods/status'], ['patch']),
    rule([''], ['pods/binding'], ['create']),
    rule([''], ['secrets', 'services'], ['get', 'list', 'watch']),
    rule([''], ['serviceaccounts/token'], ['create']),
    rule([''], ['events'], ['create', 'patch']),
    rule(['coordination.k8s.io'], ['leases'], ['get', 'create', 'patch']),
    rule(['networking.k8s.io'], ['ingresses'], ['get', 'list', 'watch']),
    rule(['networking.k8s.io'], ['ingresses/status'], ['patch']),
    rule(['networking.k8s.io'], ['ingressclasses'], ['get', 'create', 'patch']),
  ],
};

export const nodeRoleBinding: KubeObject & { roleRef: unknown; subjects: unknown[] } = {
  metadata: { name: 'tenantry:local-node' },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'tenantry:local-node' },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: nodeUser }],
};
