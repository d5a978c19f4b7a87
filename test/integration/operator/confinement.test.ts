import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { metadataRanges } from '../../../crds/address-ranges.ts';
import { type KubeObject, kinds, type Resource } from '../../../kube/resources.ts';
import { confinementOf } from '../../../local/confinement.ts';
import { eventually } from '../../eventually.ts';
import { World } from '../../world.ts';

/** The accounts of operator and control plane against a real API server: objects that are accepted and objects that are refused. */
const world = new World();
const fieldManager = 'test';
const tenant = world.name('confined');
const namespace = `tenant-${tenant}`;
const foreign = world.name('tenant-foreign');

/** Operators of installations unlike the local one, each under policies of its own. */
const accounts = {
  local: 'tenantry-operator',
  path: world.name('operator-path'),
  host: world.name('operator-host'),
};
const ofTenant = {
  'tenantry.dev/tenant-uid': 'uid',
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/enforce-version': 'latest',
};
const made: [Resource, string][] = [];

/** The kind of the Gateway API, as far as the policies look at it. */
const httpRoutes = {
  metadata: {
    name: 'httproutes.gateway.networking.k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
  },
  spec: {
    group: 'gateway.networking.k8s.io',
    names: { kind: 'HTTPRoute', listKind: 'HTTPRouteList', plural: 'httproutes', singular: 'httproute' },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } },
        },
      },
    ],
  },
} as KubeObject;

async function apply(resource: Resource, object: KubeObject): Promise<void> {
  await world.kube.apply(resource, object, { fieldManager });
  made.push([resource, object.metadata.name]);
}

beforeAll(async () => {
  for (const [mode, baseUrl] of [
    ['path', 'https://example.com/mcp'],
    ['host', 'https://mcp.example.com'],
  ] as const) {
    const account = accounts[mode];
    const installation = { account, namespace: 'tenantry-system', addressing: { baseUrl, mode }, adminHost: 'admin.example.org' };
    for (const object of confinementOf(installation) as (KubeObject & { spec: { policyName?: string } })[]) {
      const resource = object.spec.policyName === undefined ? kinds.ValidatingAdmissionPolicy : kinds.ValidatingAdmissionPolicyBinding;
      const name = `${object.metadata.name}-${account}`;
      const policyName = object.spec.policyName && `${object.spec.policyName}-${account}`;
      await apply(resource, {
        ...object,
        metadata: { name },
        spec: { ...object.spec, ...(policyName ? { policyName } : {}) },
      } as KubeObject);
    }
    await apply(kinds.ClusterRoleBinding, {
      metadata: { name: account },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'tenantry-operator' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: account }],
    } as KubeObject);
  }
  await apply(kinds.CustomResourceDefinition, httpRoutes);
  await apply(kinds.Namespace, { metadata: { name: namespace, labels: ofTenant } });
  await apply(kinds.Namespace, { metadata: { name: foreign } });
  // The API server learns of new policies by a watch.
  await eventually('HTTPRoutes are served', async () => (await world.kubectl(['get', 'httproutes', '-A'])).code === 0);
  for (const account of Object.values(accounts))
    await eventually('the policies apply', async () => /type ClusterIP/.test(await refusalOf(account, service({ type: 'NodePort' }))));
});

afterAll(async () => {
  for (const [resource, name] of made.reverse()) await world.kube.delete(resource, name);
});

/** Why the API server refuses to carry out the request; empty where it would. */
async function kubectl(account: string, args: readonly string[], object?: object): Promise<string> {
  const input = object === undefined ? [] : ['-f', '-'];
  const { code, stderr, stdout } = await world.kubectl(
    ['--as', account, ...args, '--dry-run=server', ...input],
    object && JSON.stringify(object),
  );
  return code === 0 ? '' : stderr || stdout;
}
const refusalOf = (account: string, object: object): Promise<string> => kubectl(account, ['create'], object);

const meta = { name: 'confined', namespace };
const service = (spec: object, more: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { ...meta, ...more },
  spec: { selector: { a: 'b' }, ports: [{ name: 'mcp', port: 80 }], ...spec },
});
const binding = (role: object, subjects: object[]): object => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: meta,
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'tenantry-tenant-secrets', ...role },
  subjects,
});
const user = (name: string): object => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
const policy = (spec: object): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: meta,
  spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ...spec },
});
const backend = { service: { name: 'stack', port: { name: 'mcp' } } };
const ingress = (host: string | undefined, path: string, more: object = {}, pathType = 'Exact'): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: meta,
  spec: { rules: [{ ...(host === undefined ? {} : { host }), http: { paths: [{ path, pathType, backend }] } }], ...more },
});
const labelled = { namespaceSelector: { matchLabels: { a: 'b' } } };
const ports = [{ protocol: 'TCP', port: 5432 }];
const everywhere = { ipBlock: { cidr: '0.0.0.0/0', except: metadataRanges.filter((range) => range.includes('.')) } };
const httpRoute = (hostnames: string[] | undefined, value: string, rule: object = {}, type = 'Exact'): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: meta,
  spec: {
    ...(hostnames === undefined ? {} : { hostnames }),
    rules: [{ matches: [{ path: { type, value } }], backendRefs: [{ name: 'stack', port: 8001 }], ...rule }],
  },
});
const metadata = '/.well-known/oauth-protected-resource';
const own = { path: `/mcp/t/${tenant}/mcp`, host: `${tenant}.mcp.example.com` };

describe('the operator may write', () => {
  test.each<[string, keyof typeof accounts, object]>([
    ['a Service of the cluster', 'local', service({ type: 'ClusterIP' })],
    ['the binding of its own access to Secrets', 'local', binding({}, [user(accounts.local)])],
    ['a NetworkPolicy that opens nothing', 'local', policy({})],
    [
      'openings to namespaces and addresses',
      'local',
      policy({ ingress: [{ from: [labelled], ports }], egress: [{ to: [labelled, everywhere], ports }] }),
    ],
    ['an opening of one port to all pods', 'local', policy({ egress: [{ to: [{ namespaceSelector: {} }, everywhere], ports }] })],
    ['a route for any host where there is no host', 'local', ingress(undefined, `/t/${tenant}/mcp`)],
    ['metadata for any host where there is no host', 'local', ingress(undefined, `${metadata}/t/${tenant}/mcp`)],
    ["the tenant's path at the common host", 'path', ingress('example.com', own.path, { tls: [{ hosts: ['example.com'] }] })],
    ["the tenant's metadata at the common host", 'path', ingress('example.com', `${metadata}${own.path}`)],
    ["all below the tenant's path", 'path', ingress('example.com', `/mcp/t/${tenant}/api`, {}, 'Prefix')],
    ["the tenant's own host", 'host', ingress(own.host, '/mcp', { tls: [{ hosts: [own.host] }] })],
    ['an HTTPRoute for any host where there is no host', 'local', httpRoute(undefined, `/t/${tenant}/mcp`)],
    ["an HTTPRoute of the tenant's path", 'path', httpRoute(['example.com'], `/mcp/t/${tenant}/api`, {}, 'PathPrefix')],
    ["an HTTPRoute of the tenant's host", 'host', httpRoute([own.host], '/mcp')],
    ['an HTTPRoute of a custom domain', 'path', httpRoute(['mcp.acme.org'], '/mcp')],
    ['a custom domain', 'host', ingress('mcp.acme.org', '/mcp', { tls: [{ hosts: ['mcp.acme.org'], secretName: 'tls' }] })],
    ['a custom domain beside a common host', 'path', ingress('mcp.acme.org', '/mcp')],
  ])('%s', async (_what, account, object) => {
    expect(await refusalOf(accounts[account], object)).toBe('');
  });
});

describe('the operator may not write', () => {
  const routes = /only (routes|Ingresses) of/;
  test.each<[string, keyof typeof accounts, object, RegExp]>([
    ['a Service at a port of every node', 'local', service({ type: 'NodePort' }), /type ClusterIP/],
    ['a Service with a load balancer', 'local', service({ type: 'LoadBalancer' }), /type ClusterIP/],
    ['a Service with an external address', 'local', service({ externalIPs: ['203.0.113.1'] }), /without external addresses/],
    ['a Service that is a name elsewhere', 'local', service({ type: 'ExternalName', externalName: 'example.org' }), /type ClusterIP/],
    ['a binding of another role', 'local', binding({ name: 'view' }, [user(accounts.local)]), /binds only|forbidden/],
    ['its access to Secrets for somebody else', 'local', binding({}, [user('somebody')]), /only to itself/],
    [
      'its access to Secrets for somebody else beside itself',
      'local',
      binding({}, [user(accounts.local), user('somebody')]),
      /only to itself/,
    ],
    [
      'its access to Secrets for an account',
      'local',
      binding({}, [{ kind: 'ServiceAccount', name: 'default', namespace }]),
      /only to itself/,
    ],
    [
      'its access to Secrets for a group',
      'local',
      binding({}, [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: accounts.local }]),
      /only to itself/,
    ],
    ['an opening from everywhere', 'local', policy({ ingress: [{}] }), /open nothing to everybody/],
    ['an opening from all pods', 'local', policy({ ingress: [{ from: [{ namespaceSelector: {} }], ports }] }), /open nothing to everybody/],
    ['an opening from addresses', 'local', policy({ ingress: [{ from: [everywhere], ports }] }), /open nothing to everybody/],
    ['an opening of all ports to others', 'local', policy({ ingress: [{ from: [labelled] }] }), /open nothing to everybody/],
    ['an opening to everywhere', 'local', policy({ egress: [{}] }), /open nothing to everybody/],
    [
      'an opening of all ports of all pods',
      'local',
      policy({ egress: [{ to: [{ namespaceSelector: {} }] }] }),
      /open nothing to everybody/,
    ],
    ['a NetworkPolicy for traffic of one direction', 'local', policy({ policyTypes: ['Ingress'] }), /for all pods/],
    ['a NetworkPolicy for some pods', 'local', policy({ podSelector: { matchLabels: { a: 'b' } } }), /for all pods/],
    ...metadataRanges.map((cidr): [string, 'local', object, RegExp] => [
      `an opening to ${cidr}`,
      'local',
      policy({ egress: [{ to: [{ ipBlock: { cidr } }], ports }] }),
      /no metadata service/,
    ]),
    ['an opening to all addresses', 'local', policy({ egress: [{ to: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }] }), /no metadata service/],
    ['an opening to all IPv6 addresses', 'local', policy({ egress: [{ to: [{ ipBlock: { cidr: '::/0' } }] }] }), /no metadata service/],
    ["another tenant's path", 'local', ingress(undefined, '/t/other/mcp'), routes],
    ['a path of all tenants', 'local', ingress(undefined, '/', {}, 'Prefix'), routes],
    ['a route for any host where there is one', 'path', ingress(undefined, own.path), routes],
    ["another tenant's path at the common host", 'path', ingress('example.com', '/mcp/t/other/mcp'), routes],
    ["the tenant's path outside the base path", 'path', ingress('example.com', `/t/${tenant}/mcp`), routes],
    ["another tenant's metadata", 'path', ingress('example.com', `${metadata}/mcp/t/other/mcp`), routes],
    ['a path by pattern', 'path', ingress('example.com', own.path, {}, 'ImplementationSpecific'), routes],
    ['a host below the common one', 'path', ingress('a.example.com', '/mcp'), routes],
    ['the host of the Admin API', 'path', ingress('admin.example.org', '/admin'), routes],
    ["another tenant's host", 'host', ingress('other.mcp.example.com', '/mcp'), routes],
    ['the host of the installation', 'host', ingress('mcp.example.com', '/mcp'), routes],
    ['every host', 'host', ingress(undefined, '/mcp'), routes],
    ['every host of a domain', 'host', ingress('*.acme.org', '/mcp'), routes],
    ['an HTTPRoute for every host', 'host', httpRoute(undefined, '/mcp'), routes],
    ["an HTTPRoute of another tenant's host beside its own", 'host', httpRoute([own.host, 'other.mcp.example.com'], '/mcp'), routes],
    ["an HTTPRoute of another tenant's path", 'path', httpRoute(['example.com'], '/mcp/t/other/mcp'), /only HTTPRoutes of/],
    ['an HTTPRoute of all paths', 'path', httpRoute(['example.com'], '', { matches: undefined }), /only HTTPRoutes of/],
    ['an HTTPRoute by pattern', 'path', httpRoute(['example.com'], `${own.path}.*`, {}, 'RegularExpression'), /only HTTPRoutes of/],
    [
      'an HTTPRoute to a Service of another namespace',
      'host',
      httpRoute([own.host], '/mcp', { backendRefs: [{ name: 'stack', namespace: 'tenant-other', port: 8001 }] }),
      /only HTTPRoutes that lead/,
    ],
    [
      'an HTTPRoute that sends copies elsewhere',
      'host',
      httpRoute([own.host], '/mcp', { filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'x', port: 1 } } }] }),
      /only HTTPRoutes that lead/,
    ],
    ['a certificate of another host', 'host', ingress(own.host, '/mcp', { tls: [{ hosts: ['other.mcp.example.com'] }] }), /same hosts/],
    ['an Ingress for all that nobody takes', 'host', ingress(own.host, '/mcp', { defaultBackend: backend }), /of rules/],
  ])('%s', async (_what, account, object, message) => {
    expect(await refusalOf(accounts[account], object)).toMatch(message);
  });

  test('a namespace whose Pod Security is not the latest restricted', async () => {
    const of = (labels: object) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: `${namespace}-x`, labels } });
    expect(await refusalOf(accounts.local, of(ofTenant))).toBe('');
    for (const [label, value] of [
      ['enforce', 'privileged'],
      ['enforce', 'baseline'],
      ['enforce-version', 'v1.24'],
    ]) {
      expect(await refusalOf(accounts.local, of({ ...ofTenant, [`pod-security.kubernetes.io/${label}`]: value }))).toMatch(/Pod Security/);
    }
    expect(await refusalOf(accounts.local, of({ 'tenantry.dev/tenant-uid': 'uid' }))).toMatch(/Pod Security/);
  });

  test('anything in a namespace that is of no tenant', async () => {
    for (const name of ['default', 'kube-system', 'tenantry-system'])
      expect(await refusalOf(accounts.local, service({}, { namespace: name }))).toMatch(/writes only in namespaces named tenant-/);
    expect(await refusalOf(accounts.local, service({}, { namespace: foreign }))).toMatch(/that it did not make/);
  });

  test('the removal of a NetworkPolicy', async () => {
    await world.kube.apply(kinds.NetworkPolicy, policy({}) as KubeObject, { fieldManager });
    expect(await kubectl(accounts.local, ['delete', 'networkpolicy', meta.name, '-n', namespace])).toMatch(/removes no NetworkPolicy/);
  });
});

describe('the control plane', () => {
  const template = { apiVersion: 'tenantry.dev/v1alpha1', kind: 'StackTemplate', metadata: { name: world.name('written') } };
  const written = { ...template, spec: { containers: [{ name: 'api', image: 'none' }] } };

  test('writes templates only with a role of their own', async () => {
    const account = world.name('control-plane');
    const bind = (role: string): Promise<void> =>
      apply(kinds.ClusterRoleBinding, {
        metadata: { name: `${account}-${role}` },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [user(account)],
      } as KubeObject);
    await bind('tenantry-control-plane');
    // The authorizer learns of bindings by a watch.
    await expect.poll(async () => (await world.kubectl(['auth', 'can-i', 'list', 'stacktemplates', '--as', account])).code).toBe(0);
    expect(await refusalOf(account, written)).toMatch(/cannot create resource "stacktemplates"/);
    await bind('tenantry-control-plane-templates');
    await expect.poll(() => refusalOf(account, written)).toBe('');
  });

  test('writes none of the objects that pods are made of', async () => {
    for (const object of [service({}), binding({}, [user('tenantry-control-plane')]), policy({}), ingress(undefined, '/')])
      expect(await refusalOf('tenantry-control-plane', object)).toMatch(/forbidden/i);
  });
});

test('the policy has the same addresses of metadata services as the rendering', () => {
  const text = readFileSync(new URL('../../../operator/confinement.yaml', import.meta.url), 'utf8');
  const variables = parseAllDocuments(text).flatMap((document) => document.toJS().spec.variables ?? []) as {
    name: string;
    expression: string;
  }[];
  const ranges = variables.find(({ name }) => name === 'metadataRanges')?.expression ?? '';
  expect([...ranges.matchAll(/'([^']+)'/g)].map(([, range]) => range)).toEqual(metadataRanges);
});
