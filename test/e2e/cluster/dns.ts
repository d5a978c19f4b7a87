import { clusterDomain, dnsAddress, gatewayAddress, nodeAddress, tenantsDomain, workosHost } from './addresses.ts';

const namespace = 'kube-system';
const labels = { 'k8s-app': 'kube-dns' };

/** The names of Services, of the tenants and of what the node serves; there are no others, and nothing is forwarded. */
const corefile = `${clusterDomain}:53 in-addr.arpa:53 {
  errors
  ready :8181
  kubernetes ${clusterDomain} in-addr.arpa {
    ttl 5
  }
}
${tenantsDomain}:53 {
  errors
  template IN A {
    answer "{{ .Name }} 5 IN A ${gatewayAddress}"
  }
  template IN ANY {
    rcode NOERROR
  }
}
localhost:53 {
  hosts {
    ${nodeAddress} ${workosHost}
  }
}
.:53 {
  template ANY ANY {
    rcode NXDOMAIN
  }
}
`;

/** CoreDNS as clusters have it: a Deployment behind the Service kube-dns. */
export function dnsObjects(image: string): object[] {
  const name = 'coredns';
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'system:coredns' },
      rules: [
        { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'system:coredns' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { Corefile: corefile } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'kube-dns', namespace, labels },
      spec: {
        clusterIP: dnsAddress,
        selector: labels,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: name,
            dnsPolicy: 'Default',
            volumes: [{ name: 'config', configMap: { name } }],
            containers: [
              {
                name,
                image,
                imagePullPolicy: 'Never',
                args: ['-conf', '/etc/coredns/Corefile'],
                volumeMounts: [{ name: 'config', mountPath: '/etc/coredns', readOnly: true }],
                readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
                securityContext: {
                  allowPrivilegeEscalation: false,
                  readOnlyRootFilesystem: true,
                  capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
                },
              },
            ],
          },
        },
      },
    },
  ];
}
