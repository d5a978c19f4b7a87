import { defaultResources } from '../../crds/containers.ts';
import { apiVersion, namespaceOf, pod } from '../../crds/names.ts';
import { formatCpu, formatMemory, readQuantity } from '../../crds/quantity.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { kinds } from '../../kube/resources.ts';
import type { Settings } from '../installation/settings.ts';
import { type Child, child } from '../objects/child.ts';
import { labelsOf } from '../objects/names.ts';
import type { Blueprint } from './blueprint.ts';
import { containersOf, type RenderedContainer } from './pod.ts';

/** The namespace itself. The Tenant owns it, so it is deleted even when the Tenant's finalizers were removed by hand. */
export function renderNamespace(tenant: Tenant): Child {
  return {
    resource: kinds.Namespace,
    object: {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: namespaceOf(tenant.metadata.name),
        labels: {
          ...labelsOf(tenant),
          'pod-security.kubernetes.io/enforce': 'restricted',
          'pod-security.kubernetes.io/enforce-version': 'latest',
        },
        ownerReferences: [{ apiVersion, kind: 'Tenant', name: tenant.metadata.name, uid: tenant.metadata.uid ?? '', controller: true }],
      },
    },
  };
}

/** Gives the operator access to the Secrets of this namespace. It has access to no other Secrets. */
export function renderSecretsAccess(tenant: Tenant, settings: Settings): Child {
  return child(tenant, kinds.RoleBinding, 'tenantry-operator', {
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'tenantry-tenant-secrets' },
    subjects: [settings.operatorSubject],
  });
}

/** Account of the pods. It has no permissions. The only mounted token is the sidecar's token for the control plane. */
export function renderServiceAccount(blueprint: Blueprint): Child {
  return child(blueprint.tenant, kinds.ServiceAccount, pod.serviceAccount, { automountServiceAccountToken: false });
}

/** Quota for twice the pods, which a rolling update needs, and for the migration. */
export function renderQuota(blueprint: Blueprint): Child {
  const { tenant } = blueprint;
  const all = containersOf(blueprint);
  const pods = 2 * (tenant.spec.replicas ?? 1) + 1;
  const sum = (pick: (container: RenderedContainer) => string | undefined): number =>
    all.reduce((total, container) => total + (readQuantity(pick(container) ?? '') ?? 0), 0);
  return child(tenant, kinds.ResourceQuota, 'tenantry', {
    spec: {
      hard: {
        pods: String(pods),
        'requests.cpu': formatCpu(pods * sum((c) => c.resources.requests['cpu'])),
        'requests.memory': formatMemory(pods * sum((c) => c.resources.requests['memory'])),
        'limits.memory': formatMemory(pods * sum((c) => c.resources.limits['memory'])),
        'services.loadbalancers': '0',
        'services.nodeports': '0',
        persistentvolumeclaims: '0',
      },
    },
  });
}

/** Defaults for a container that names no resources. */
export function renderLimits(blueprint: Blueprint): Child {
  return child(blueprint.tenant, kinds.LimitRange, 'tenantry', {
    spec: {
      limits: [{ type: 'Container', default: defaultResources.limits, defaultRequest: defaultResources.requests }],
    },
  });
}
