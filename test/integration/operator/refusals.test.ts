import { randomUUID } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { databaseNames, namespaceOf } from '../../../crds/names.ts';
import { kinds } from '../../../kube/resources.ts';
import { World } from '../../world.ts';

const world = new World();
const made: string[] = [];

afterAll(() => world.remove(...made));

const manifest = (name: string, spec: unknown): string =>
  JSON.stringify({ apiVersion: 'tenantry.dev/v1alpha1', kind: 'Tenant', metadata: { name }, spec });

const toolbridge = { template: { name: 'toolbridge' } };
const withoutDatabase = { ...toolbridge, database: { mode: 'none' } };

async function apply(name: string, spec: unknown): Promise<{ code: number; stderr: string }> {
  made.push(name);
  return world.kubectl(['apply', '-f', '-'], manifest(name, spec));
}

interface Refusal {
  readonly errors: readonly { readonly pointer: string; readonly detail: string }[];
}

async function createByApi(name: string, spec: object): Promise<{ status: number; body: Refusal }> {
  const { adminUrl, adminToken } = world.context;
  const response = await fetch(`${adminUrl}/admin/tenants`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, ...spec }),
  });
  return { status: response.status, body: (await response.json()) as Refusal };
}

describe('the API server refuses', () => {
  test.each<[string, string, unknown, RegExp]>([
    ['a reserved name', 'admin', toolbridge, /reserved/],
    ['a name that starts with a digit', '1acme', toolbridge, /DNS label/],
    ['a name with a dot', 'a.b', toolbridge, /DNS label/],
    ['a name of 41 characters', 'a'.repeat(41), toolbridge, /at most 40/],
    ['no spec', 'refused', undefined, /spec.*[Rr]equired/s],
    ['no template', 'refused', {}, /spec.template.*[Rr]equired/s],
    ['an unknown field', 'refused', { ...toolbridge, colour: 'blue' }, /unknown field "spec.colour"/],
    ['something else than an organization', 'refused', { ...toolbridge, organizationId: 'acme' }, /organizationId/],
    ['too many replicas', 'refused', { ...toolbridge, replicas: 21 }, /replicas/],
    ['an unknown deletion policy', 'refused', { ...toolbridge, deletionPolicy: 'maybe' }, /Unsupported value/],
    ['an opening without a target', 'refused', { ...toolbridge, network: { egress: [{}] } }, /exactly one of cidr and namespaceSelector/],
    [
      'an opening with two targets',
      'refused',
      { ...toolbridge, network: { egress: [{ cidr: '10.0.0.0/8', namespaceSelector: { a: 'b' } }] } },
      /exactly one of cidr and namespaceSelector/,
    ],
    ['an opening to no address', 'refused', { ...toolbridge, network: { egress: [{ cidr: 'banana' }] } }, /range of addresses/],
    [
      'an opening to the metadata service of a cloud',
      'refused',
      { ...toolbridge, network: { egress: [{ cidr: '169.254.169.254/32' }] } },
      /metadata service of a cloud/,
    ],
    ['the same by IPv6', 'refused', { ...toolbridge, network: { egress: [{ cidr: 'fd00:ec2::254/128' }] } }, /metadata service of a cloud/],
    [
      'an opening to no label',
      'refused',
      { ...toolbridge, network: { egress: [{ namespaceSelector: { 'a b': 'c' } }] } },
      /key must be that of a label/,
    ],
    ['a variable without a proper name', 'refused', { ...toolbridge, containers: { api: { env: [{ name: 'A-B', value: '' }] } } }, /env/],
    [
      'an unknown resource',
      'refused',
      { ...toolbridge, containers: { api: { resources: { limits: { gpu: '1' } } } } },
      /unknown field.*gpu/,
    ],
    ['a name with a NUL', 'refused', { ...toolbridge, displayName: 'a\0b' }, /displayName/],
    ['a name of two lines', 'refused', { ...toolbridge, displayName: 'a\nb' }, /displayName/],
    ['a variable with a NUL', 'refused', { ...toolbridge, containers: { api: { env: [{ name: 'A', value: '\0' }] } } }, /value/],
    ['a short rotation period', 'refused', { ...toolbridge, secrets: { rotationPeriod: '59m', overlap: '5m' } }, /must be at least 1h/],
    ['a short overlap', 'refused', { ...toolbridge, secrets: { overlap: '299s' } }, /must be at least 5m/],
    [
      'an overlap of the whole period',
      'refused',
      { ...toolbridge, secrets: { rotationPeriod: '24h' } },
      /must be less than rotationPeriod/,
    ],
    ['a period without end', 'refused', { ...toolbridge, secrets: { rotationPeriod: `${'9'.repeat(18)}h` } }, /rotationPeriod/],
    ['a quantity that is none', 'refused', { ...toolbridge, containers: { api: { resources: { limits: { memory: 'much' } } } } }, /memory/],
  ])('%s', async (_what, name, spec, message) => {
    const result = await world.kubectl(['apply', '-f', '-'], manifest(name, spec));
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(message);
    expect(await world.kube.find(kinds.Tenant, name)).toBeUndefined();
  });

  test('a change of what is immutable', async () => {
    const name = world.name('fixed');
    expect(await apply(name, { ...withoutDatabase, organizationId: 'org_01ABC', suspended: true })).toMatchObject({ code: 0 });
    for (const [change, message] of [
      [{ organizationId: 'org_01OTHER' }, /organizationId is immutable/],
      [{ template: { name: 'other' } }, /template.name is immutable/],
      [{ database: { mode: 'shared' } }, /database.mode is immutable/],
      [{ organizationId: null }, /organizationId is immutable/],
    ] as const) {
      const patched = await world.kubectl(['patch', 'tn', name, '--type=merge', '-p', JSON.stringify({ spec: change })]);
      expect(patched.code).not.toBe(0);
      expect(patched.stderr).toMatch(message);
    }
  });

  test('another organization than the one that was asked for', async () => {
    const name = world.name('fixed');
    const organization = { name: 'Acme', externalId: randomUUID() };
    // Without an answer of WorkOS yet, or with one: it makes no difference.
    expect(await apply(name, { ...withoutDatabase, suspended: true, organization })).toMatchObject({ code: 0 });
    for (const [change, message] of [
      [{ organization: null }, /organization cannot be removed/],
      [{ organization: { externalId: randomUUID() } }, /externalId is immutable/],
    ] as const) {
      const patched = await world.kubectl(['patch', 'tn', name, '--type=merge', '-p', JSON.stringify({ spec: change })]);
      expect(patched.code).not.toBe(0);
      expect(patched.stderr).toMatch(message);
    }
    const renamed = { organization: { name: 'Acme Ltd', admin: { email: 'first@example.com' } } };
    expect(await world.kubectl(['patch', 'tn', name, '--type=merge', '-p', JSON.stringify({ spec: renamed })])).toMatchObject({ code: 0 });
  });

  test('an invitation into an organization that exists', async () => {
    const name = world.name('fixed');
    expect(await apply(name, { ...withoutDatabase, suspended: true, organizationId: 'org_01ABC' })).toMatchObject({ code: 0 });
    const change = { organization: { name: 'Acme', externalId: randomUUID(), admin: { email: 'stranger@example.com' } } };
    const patched = await world.kubectl(['patch', 'tn', name, '--type=merge', '-p', JSON.stringify({ spec: change })]);
    expect(patched.code).not.toBe(0);
    expect(patched.stderr).toMatch(/organization cannot be set while organizationId is set/);
  });

  test.each<[string, object, RegExp]>([
    ['without an api container', { containers: [{ name: 'web', image: 'x' }] }, /one container must be named api/],
    [
      'that claims the name of the sidecar',
      {
        containers: [
          { name: 'api', image: 'x' },
          { name: 'mcp', image: 'x' },
        ],
      },
      /mcp is reserved/,
    ],
    [
      'with a variable from two sources',
      { containers: [{ name: 'api', image: 'x', env: [{ name: 'A', value: '1', parameter: '/a' }] }] },
      /exactly one of/,
    ],
    [
      'that leaves a variable of the operator to tenants',
      { containers: [{ name: 'api', image: 'x', tenantEnv: ['TENANTRY_TENANT'] }] },
      /is set by the operator/,
    ],
    [
      'with half a static secret',
      { containers: [{ name: 'api', image: 'x' }], upstreamAuth: { mode: 'static', header: 'X' } },
      /header and secret/,
    ],
  ])('a template %s', async (_what, spec, message) => {
    const body = JSON.stringify({ apiVersion: 'tenantry.dev/v1alpha1', kind: 'StackTemplate', metadata: { name: 'refused' }, spec });
    const result = await world.kubectl(['apply', '-f', '-'], body);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(message);
  });
});

describe('a tenant that nobody can serve is Stalled and says what to do', () => {
  const stalled = async (name: string): Promise<{ reason: string; message: string }> => {
    const tenant = await world.until(name, (t) => t.status?.conditions?.some((c) => c.type === 'Stalled' && c.status === 'True') ?? false);
    const { reason = '', message = '' } = tenant.status?.conditions?.find((c) => c.type === 'Stalled') ?? {};
    expect(tenant.status?.phase).toBe('Stalled');
    return { reason, message };
  };

  test('an unknown template, which heals once the template is there', async () => {
    const name = world.name('lost');
    const template = world.name('late');
    await apply(name, { template: { name: template }, database: { mode: 'none' } });
    expect(await stalled(name)).toMatchObject({ reason: 'TemplateNotFound', message: expect.stringContaining(template) });
    expect(await world.kube.find(kinds.Namespace, namespaceOf(name))).toBeUndefined();
    const spec = { containers: [{ name: 'api', image: 'no.such.registry/image:1' }] };
    await world.kubectl(
      ['apply', '-f', '-'],
      JSON.stringify({ apiVersion: 'tenantry.dev/v1alpha1', kind: 'StackTemplate', metadata: { name: template }, spec }),
    );
    const healed = await world.until(
      name,
      (t) => t.status?.conditions?.some((c) => c.type === 'WorkloadAvailable' && c.reason === 'ImagePullFailed') ?? false,
    );
    const failed = healed.status?.conditions?.find((c) => c.type === 'WorkloadAvailable');
    expect(failed?.message).toContain('api');
    // The local node has no registry, so this image can never be pulled.
    expect(healed.status?.conditions?.find((c) => c.type === 'Stalled')).toMatchObject({ status: 'True', reason: 'ImagePullFailed' });
    await world.kube.delete(kinds.StackTemplate, template);
  });

  test('parameters that do not fit, with a pointer for each', async () => {
    const name = world.name('misfit');
    await apply(name, { ...withoutDatabase, parameters: { defaultPageSize: 0, colour: 'blue' } });
    const { reason, message } = await stalled(name);
    expect(reason).toBe('ParametersInvalid');
    expect(message).toContain('/spec/parameters/defaultPageSize');
    expect(message).toContain('/spec/parameters/colour');
  });

  const variable = (name: string) => ({ env: [{ name, value: 'x' }] });

  test.each([
    ['a container the template does not have', { worker: {} }, /worker is not a container/],
    ['a variable of the operator', { api: variable('DATABASE_URL') }, /api\/env\/0\/name DATABASE_URL is not in tenantEnv/],
    ['a variable of the sidecar', { mcp: variable('HARMLESS') }, /mcp\/env\/0\/name HARMLESS is not in tenantEnv/],
    ['a variable the template does not list', { api: variable('SHELLOPTS') }, /SHELLOPTS is not in tenantEnv .*; tenants cannot set any/],
    ['resources beyond the maximum', { api: { resources: { limits: { memory: '1Ti' } } } }, /1Ti is above maxResources .*, 8Gi/],
    ['a request above the limit', { api: { resources: { requests: { memory: '1Gi' } } } }, /request 1Gi is above the limit 256Mi/],
  ])('%s', async (_what, containers, message) => {
    const name = world.name('overreach');
    await apply(name, { ...withoutDatabase, containers });
    const { reason, message: said } = await stalled(name);
    expect(reason).toBe('ContainersInvalid');
    expect(said).toMatch(message);
    const { status, body } = await createByApi(name, { ...withoutDatabase, containers });
    expect(status).toBe(422);
    expect(body.errors).not.toEqual([]);
    for (const fault of body.errors) expect(said).toContain(`/spec${fault.pointer} ${fault.detail}`);
  });

  const withParameters = (name: string, parameters: object) => ({
    metadata: { name },
    ...{ spec: { containers: [{ name: 'api', image: 'none' }], parameters } },
  });

  test('a text that takes a pattern of the template exponential time', async () => {
    const template = world.name('slow');
    const name = world.name('slow');
    await world.kube.create(kinds.StackTemplate, withParameters(template, { properties: { host: { pattern: '^([a-zA-Z0-9]+)+$' } } }));
    const spec = { template: { name: template }, parameters: { host: `${'a'.repeat(30_000)}!` } };
    await apply(name, spec);
    expect(await stalled(name)).toMatchObject({ reason: 'ParametersInvalid', message: expect.stringContaining('/spec/parameters/host') });
    expect((await createByApi(name, spec)).status).toBe(422);
    await world.kube.delete(kinds.StackTemplate, template);
  });

  test('a pattern that is not supported, until the template is corrected', async () => {
    const template = world.name('odd');
    const name = world.name('odd');
    await world.kube.create(kinds.StackTemplate, withParameters(template, { properties: { host: { pattern: '(?=a)b' } } }));
    const spec = { template: { name: template }, suspended: true };
    await apply(name, spec);
    const { reason, message } = await stalled(name);
    expect(reason).toBe('TemplateInvalid');
    expect(message).toContain('/spec/parameters/properties/host/pattern is not a supported pattern: it uses look-ahead or look-behind');
    const refused = await createByApi(world.name('odd'), spec);
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: '/template/name' }] } });
    const correction = { spec: { parameters: { properties: { host: { pattern: '^ab' } } } } };
    await world.kube.patch(kinds.StackTemplate, template, correction);
    await world.until(name, (t) => t.status?.phase === 'Suspended');
    await world.remove(name);
    await world.kube.delete(kinds.StackTemplate, template);
  });

  test('a namespace that belongs to somebody else is left alone', async () => {
    const name = world.name('squat');
    await world.kube.create(kinds.Namespace, { metadata: { name: namespaceOf(name), labels: { theirs: 'yes' } } });
    await apply(name, withoutDatabase);
    expect(await stalled(name)).toMatchObject({ reason: 'NamespaceConflict' });
    await world.remove(name);
    const left = await world.kube.get(kinds.Namespace, namespaceOf(name));
    expect(left.metadata.deletionTimestamp).toBeUndefined();
    await world.kube.delete(kinds.Namespace, namespaceOf(name));
  });

  test('an object that the API server refuses, until it is mended', async () => {
    const name = world.name('greedy');
    // The schema of tenants accepts the prefix of this key. The API server refuses it in a NetworkPolicy.
    const malformed = { namespaceSelector: { 'a..b/c': 'x' } };
    expect(await apply(name, { ...withoutDatabase, suspended: true, network: { egress: [malformed] } })).toMatchObject({ code: 0 });
    const { reason, message } = await stalled(name);
    expect(reason).toBe('ApplyRefused');
    expect(message).toMatch(/namespaceSelector/);
    await world.kubectl(['patch', 'tn', name, '--type=merge', '-p', '{"spec":{"network":null}}']);
    await world.until(name, (t) => t.status?.phase === 'Suspended');
  });

  test('a clean-up that fails keeps the tenant until it succeeds', async () => {
    const name = world.name('stuck');
    await apply(name, { ...toolbridge, deletionPolicy: 'delete' });
    const tenant = await world.until(
      name,
      (t) => t.status?.conditions?.some((c) => c.type === 'DatabaseReady' && c.status === 'True') ?? false,
    );
    const { owner, database } = databaseNames(tenant.metadata.uid ?? '');
    // Another database that belongs to the tenant's role: PostgreSQL then refuses to drop the role.
    const held = `hold_${database}`;
    await world.query(`CREATE DATABASE ${held} OWNER ${owner} TEMPLATE template0`);
    await world.kube.delete(kinds.Tenant, name);
    const stuck = await world.until(
      name,
      (t) => t.status?.conditions?.some((c) => c.type === 'Stalled' && c.reason === 'CleanupFailed') ?? false,
    );
    expect(stuck.metadata.finalizers).toContain('tenantry.dev/operator');
    await world.query(`DROP DATABASE ${held}`);
    await world.gone(name);
    expect(await world.query('SELECT rolname FROM pg_roles WHERE rolname = $1', [owner])).toEqual([]);
  });

  test('parameters nested beyond measure', async () => {
    const name = world.name('deep');
    const deep = JSON.parse(`${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`) as unknown;
    made.push(name);
    await world.kube.create(kinds.Tenant, { metadata: { name }, ...{ spec: { ...withoutDatabase, parameters: deep } } });
    expect(await stalled(name)).toMatchObject({ reason: 'ParametersInvalid', message: expect.stringContaining('nested deeper') });
  });

  test('an organization that WorkOS does not know', async () => {
    const name = world.name('nobody');
    await apply(name, { ...withoutDatabase, suspended: true, organizationId: 'org_01DOESNOTEXIST' });
    expect(await stalled(name)).toMatchObject({ reason: 'OrganizationNotFound' });
  });

  test('a paused tenant is left as it is and says so', async () => {
    const name = world.name('paused');
    await world.kubectl(
      ['apply', '-f', '-'],
      JSON.stringify({
        apiVersion: 'tenantry.dev/v1alpha1',
        kind: 'Tenant',
        metadata: { name, annotations: { 'tenantry.dev/reconcile': 'paused' } },
        spec: withoutDatabase,
      }),
    );
    made.push(name);
    expect(await stalled(name)).toMatchObject({ reason: 'Paused' });
    expect(await world.kube.find(kinds.Namespace, namespaceOf(name))).toBeUndefined();
    await world.kubectl(['annotate', 'tn', name, 'tenantry.dev/reconcile-']);
    await world.object(kinds.Namespace, namespaceOf(name), undefined, (namespace) => namespace !== undefined);
  });
});

test('the metrics that dashboards expect are there', async () => {
  const text = await (await fetch(`${world.context.operatorUrl}/metrics`)).text();
  for (const metric of [
    'controller_runtime_reconcile_total',
    'controller_runtime_reconcile_errors_total',
    'controller_runtime_reconcile_time_seconds_bucket',
    'controller_runtime_active_workers',
    'workqueue_depth',
    'workqueue_queue_duration_seconds_bucket',
    'workqueue_retries_total',
    'rest_client_requests_total',
  ]) {
    expect(text).toContain(`${metric}{`);
  }
});
