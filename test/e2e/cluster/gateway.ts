import type { Certificate } from '../../../local/kubernetes/pki.ts';
import { gatewayClass, gatewayName, ingressClass, gatewayNamespace as namespace, tenantsDomain } from './addresses.ts';

const name = 'traefik';
const labels = { 'app.kubernetes.io/name': name };
const certificateSecret = 'public-certificate';
/** What Ingresses without a secret of their own are served with. */
const defaultCertificate = {
  tls: { stores: { default: { defaultCertificate: { certFile: '/certificate/tls.crt', keyFile: '/certificate/tls.key' } } } },
};

/** Traefik with both ways in, Gateway API and Ingress, behind a load balancer's address. */
export function gatewayObjects(image: string, certificate: Certificate): object[] {
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { name: certificateSecret, namespace },
      stringData: { 'tls.crt': certificate.cert, 'tls.key': certificate.key },
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { 'default.json': JSON.stringify(defaultCertificate) } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels },
      spec: { type: 'LoadBalancer', selector: labels, ports: [{ name: 'https', port: 443, targetPort: 'https' }] },
    },
    deployment(image),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'IngressClass',
      metadata: { name: ingressClass },
      spec: { controller: 'traefik.io/ingress-controller' },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: gatewayClass },
      spec: { controllerName: 'traefik.io/gateway-controller' },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: gatewayName, namespace },
      spec: {
        gatewayClassName: gatewayClass,
        listeners: [
          { name: 'hosts', hostname: `*.${tenantsDomain}`, ...https },
          { name: 'base', hostname: tenantsDomain, ...https },
        ],
      },
    },
  ];
}

const https = {
  port: 443,
  protocol: 'HTTPS',
  tls: { certificateRefs: [{ name: certificateSecret }] },
  allowedRoutes: { namespaces: { from: 'All' } },
};

function deployment(image: string): object {
  const args = [
    '--global.checknewversion=false',
    '--global.sendanonymoususage=false',
    '--entrypoints.websecure.address=:443',
    '--entrypoints.websecure.http.tls=true',
    '--entrypoints.traefik.address=:9000',
    '--ping=true',
    '--providers.providersthrottleduration=100ms',
    '--providers.file.filename=/config/default.json',
    '--providers.kubernetesingress=true',
    `--providers.kubernetesingress.ingressclass=${ingressClass}`,
    `--providers.kubernetesingress.ingressendpoint.publishedservice=${namespace}/${name}`,
    '--providers.kubernetesgateway=true',
    `--providers.kubernetesgateway.statusaddress.service.namespace=${namespace}`,
    `--providers.kubernetesgateway.statusaddress.service.name=${name}`,
  ];
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: name,
          volumes: [
            { name: 'certificate', secret: { secretName: certificateSecret } },
            { name: 'config', configMap: { name } },
          ],
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            runAsGroup: 65532,
            seccompProfile: { type: 'RuntimeDefault' },
            // A Gateway's listener has the port of Traefik's own entry point.
            sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
          },
          containers: [
            {
              name,
              image,
              imagePullPolicy: 'Never',
              args,
              ports: [{ name: 'https', containerPort: 443 }],
              volumeMounts: [
                { name: 'certificate', mountPath: '/certificate', readOnly: true },
                { name: 'config', mountPath: '/config', readOnly: true },
              ],
              readinessProbe: { httpGet: { path: '/ping', port: 9000 }, periodSeconds: 1 },
              securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  };
}

/** What Traefik's manual asks for, of the kinds that are served. */
const read = ['get', 'list', 'watch'];
const rules = [
  { apiGroups: [''], resources: ['namespaces', 'nodes', 'services', 'secrets', 'configmaps'], verbs: read },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: read },
  { apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['update'] },
  {
    apiGroups: ['gateway.networking.k8s.io'],
    resources: [
      'gatewayclasses',
      'gateways',
      'httproutes',
      'grpcroutes',
      'referencegrants',
      'backendtlspolicies',
      'tcproutes',
      'tlsroutes',
    ],
    verbs: read,
  },
  {
    apiGroups: ['gateway.networking.k8s.io'],
    resources: [
      'gatewayclasses/status',
      'gateways/status',
      'httproutes/status',
      'grpcroutes/status',
      'backendtlspolicies/status',
      'tcproutes/status',
      'tlsroutes/status',
    ],
    verbs: ['update'],
  },
];
