import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { run, systemNamespace } from './chart-files.ts';

/** What the accounts of an installed chart may do. Nothing here changes the cluster but one Tenant, which is paused. */
const operator = `system:serviceaccount:${systemNamespace}:tenantry-operator`;
const controlPlane = `system:serviceaccount:${systemNamespace}:tenantry-control-plane`;

/** What the API server says to a request that it does not carry out; empty where it would. */
async function refusalOf(account: string, args: readonly string[], object?: object): Promise<string> {
  const { code, output, errors } = await run(
    'kubectl',
    ['--as', account, ...args, '--dry-run=server', ...(object ? ['-f', '-'] : [])],
    object && JSON.stringify(object),
  );
  return code === 0 ? '' : errors || output;
}

async function may(account: string, verb: string, resource: string, ...args: readonly string[]): Promise<boolean> {
  return (await run('kubectl', ['auth', 'can-i', verb, resource, '--as', account, '--quiet', ...args])).code === 0;
}

const account = (namespace: string) => ({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'chart-test', namespace } });
const namespace = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
});
const ofTenant = { 'tenantry.dev/tenant-uid': 'uid', 'pod-security.kubernetes.io/enforce': 'restricted' };

describe('the admission policies of the operator', () => {
  const confined = /tenantry-operator-confinement.*only/s;

  test.each(['default', 'kube-system', systemNamespace])('refuse writes in %s', async (name) => {
    expect(await may(operator, 'create', 'serviceaccounts', '-n', name)).toBe(true);
    expect(await refusalOf(operator, ['create'], account(name))).toMatch(confined);
  });

  test('refuse changes and removals in its own installation', async () => {
    const deployment = ['deployment/tenantry-control-plane', '-n', systemNamespace];
    expect(await refusalOf(operator, ['annotate', ...deployment, 'a=b'])).toMatch(confined);
    expect(await refusalOf(operator, ['delete', ...deployment])).toMatch(confined);
    // Both policies refuse this, and the API server reports one of them, in no fixed order.
    expect(await refusalOf(operator, ['delete', 'networkpolicies', '--all', '-n', systemNamespace])).toMatch(
      /tenantry-operator-confinement.*only|tenantry-operator-contents.*removes no NetworkPolicy/s,
    );
  });

  test('allow only namespaces of tenants', async () => {
    expect(await refusalOf(operator, ['create'], namespace('tenant-chart-test', ofTenant))).toBe('');
    expect(await refusalOf(operator, ['create'], namespace('chart-test'))).toMatch(confined);
    expect(await refusalOf(operator, ['annotate', 'namespace/default', 'a=b'])).toMatch(confined);
    expect(await refusalOf(operator, ['delete', `namespace/${systemNamespace}`])).toMatch(confined);
  });

  test('allow access only to Secrets of tenants', async () => {
    const binding = (where: string) => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name: 'chart-test', namespace: where },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'tenantry-tenant-secrets' },
      subjects: [{ kind: 'ServiceAccount', name: 'tenantry-operator', namespace: systemNamespace }],
    });
    expect(await refusalOf(operator, ['create'], binding('kube-system'))).toMatch(confined);
    expect(await refusalOf(operator, ['create'], binding(systemNamespace))).toMatch(confined);
  });

  test("refuse objects in a tenant's namespace that open it", async () => {
    const port = { ports: [{ port: 80 }] };
    const name = `tenant-chart-${randomUUID().slice(0, 8)}`;
    expect((await run('kubectl', ['create', '-f', '-'], JSON.stringify(namespace(name, ofTenant)))).code).toBe(0);
    try {
      const service = (spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'chart-test', namespace: name }, spec });
      expect(await refusalOf(operator, ['create'], service(port))).toBe('');
      expect(await refusalOf(operator, ['create'], service({ ...port, externalIPs: ['203.0.113.1'] }))).toMatch(
        /tenantry-operator-contents/,
      );
      expect(await refusalOf(operator, ['create'], service({ ...port, type: 'NodePort' }))).toMatch(/tenantry-operator-contents/);
    } finally {
      await run('kubectl', ['delete', 'namespace', name, '--wait=false']);
    }
  });

  test('refuse namespaces without Pod Security restricted', async () => {
    for (const labels of [
      {},
      { 'tenantry.dev/tenant-uid': 'uid' },
      { ...ofTenant, 'pod-security.kubernetes.io/enforce': 'privileged' },
      { 'pod-security.kubernetes.io/enforce': 'restricted' },
    ]) {
      expect(await refusalOf(operator, ['create'], namespace('tenant-chart-test', labels))).toMatch(/Pod Security restricted/);
    }
  });

  test("refuse changes to foreign namespaces with a tenant's name", async () => {
    const name = `tenant-foreign-${randomUUID().slice(0, 8)}`;
    expect((await run('kubectl', ['create', 'namespace', name])).code).toBe(0);
    try {
      const secrets = [
        'create',
        'rolebinding',
        'chart-test',
        '--clusterrole=tenantry-tenant-secrets',
        `--serviceaccount=${systemNamespace}:tenantry-operator`,
      ];
      expect(await refusalOf(operator, [...secrets, '-n', name])).toMatch(/that it did not make/);
      expect(await refusalOf(operator, ['delete', `namespace/${name}`])).toMatch(/that it did not make/);
      const labels = Object.entries(ofTenant).map(([key, value]) => `${key}=${value}`);
      expect(await refusalOf(operator, ['label', `namespace/${name}`, ...labels])).toMatch(/that it did not make/);
    } finally {
      await run('kubectl', ['delete', 'namespace', name, '--wait=false']);
    }
  });

  test('allow its own Lease and refuse others', async () => {
    const lease = (name: string) => ['annotate', `lease/${name}`, 'a=b', '-n', systemNamespace];
    expect(await refusalOf(operator, lease('tenantry-operator'))).toBe('');
    expect(await refusalOf(operator, lease('tenantry-control-plane'))).toMatch(/forbidden/i);
  });

  test('do not apply to other accounts', async () => {
    expect((await run('kubectl', ['create', '--dry-run=server', '-f', '-'], JSON.stringify(account('default')))).errors).toBe('');
  });
});

// Without this, what follows would hold for an account that does not exist.
test.each([
  [operator, ['list tenants', 'patch tenants/status', 'create deployments.apps', 'create stacktemplates']],
  [controlPlane, ['create tenants', 'delete tenants', 'patch tenants/status', 'list stacktemplates']],
])('the account of %s has the rights that it needs', async (who, wishes) => {
  const refused: string[] = [];
  for (const wish of wishes) {
    const [verb = '', resource = '', subresource] = wish.split(/[ /]/);
    const args = subresource ? ['--subresource', subresource] : [];
    if (!(await may(who, verb, resource, ...args, '-n', 'tenant-chart-test'))) refused.push(wish);
  }
  expect(refused).toEqual([]);
});

test.each([
  [operator, ['get secrets', 'list secrets', 'create tenants', 'delete tenants', 'get pods/exec', 'create clusterroles', 'get configmaps']],
  [
    controlPlane,
    [
      'get secrets',
      'list secrets',
      'list pods',
      'list namespaces',
      'create stacktemplates',
      'patch stacktemplates',
      'delete stacktemplates',
      'list events',
      'get apikeys',
    ],
  ],
])('the account of %s has no rights that it does not need', async (who, wishes) => {
  const granted: string[] = [];
  for (const wish of wishes) {
    const [verb = '', resource = ''] = wish.split(' ');
    if (await may(who, verb, resource, '--all-namespaces')) granted.push(wish);
  }
  expect(granted).toEqual([]);
});

test('operator and control plane cannot read Secrets of their own namespace', async () => {
  expect(await may(operator, 'get', 'secrets', '-n', systemNamespace)).toBe(false);
  expect(await may(controlPlane, 'get', 'secrets', '-n', systemNamespace)).toBe(false);
});

describe('the custom resource definitions, while a Tenant exists,', () => {
  const name = `chart-${randomUUID().slice(0, 8)}`;
  afterEach(async () => {
    await run('kubectl', ['delete', 'tenant', name, '--ignore-not-found', '--timeout=50s']);
  });

  test('cannot be deleted by any client', async () => {
    const tenant = {
      apiVersion: 'tenantry.dev/v1alpha1',
      kind: 'Tenant',
      metadata: { name, annotations: { 'tenantry.dev/reconcile': 'paused' } },
      spec: { template: { name: 'toolbridge' } },
    };
    expect((await run('kubectl', ['create', '-f', '-'], JSON.stringify(tenant))).errors).toBe('');
    for (const definition of ['tenants', 'stacktemplates', 'apikeys', 'domainclaims'].map((plural) => `${plural}.tenantry.dev`)) {
      // The policy learns of a new Tenant by a watch.
      await expect
        .poll(async () => (await run('kubectl', ['delete', 'crd', definition, '--dry-run=server'])).errors, { timeout: 20_000 })
        .toMatch(/Tenants exist, .*Delete them first/s);
    }
  });
});
