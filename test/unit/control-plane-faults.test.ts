import { describe, expect, test } from 'vitest';
import { faultsBeyondForm } from '../../control-plane/admin/checks.ts';
import { mergePatch } from '../../control-plane/admin/merge-patch.ts';
import { faultsOfRefusal } from '../../control-plane/admin/refusals.ts';
import { newTenant } from '../../control-plane/admin/representation.ts';
import { catalogue } from '../../control-plane/http/catalogue.ts';
import { Problem, problemDetails } from '../../control-plane/http/problem.ts';
import { requestIdOf } from '../../control-plane/http/request-id.ts';
import { faultsOf } from '../../control-plane/http/validation.ts';
import { KubeError } from '../../kube/errors.ts';

function formFaults(body: unknown) {
  const form = newTenant.safeParse(body);
  return form.success ? [] : faultsOf(form.error, body);
}

describe('the form of a tenant', () => {
  test('a good one has no fault', () => {
    expect(formFaults({ name: 'acme', template: { name: 'toolbridge' } })).toEqual([]);
  });

  test('every fault is pointed at', () => {
    const faults = formFaults({
      name: 'Acme',
      template: {},
      replicas: 0,
      color: 'red',
      containers: { api: { env: [{ name: '1', value: 2 }] } },
    });
    expect(faults.map(({ pointer }) => pointer).sort()).toEqual([
      '/color',
      '/containers/api/env/0/name',
      '/containers/api/env/0/value',
      '/name',
      '/replicas',
      '/template/name',
    ]);
    expect(faults.find(({ pointer }) => pointer === '/template/name')?.message).toBe('is required');
  });

  test.each([['admin'], ['a'.repeat(41)], ['-a'], ['9a'], ['a_b'], ['']])('%j is not a name', (name) => {
    expect(formFaults({ name, template: { name: 'toolbridge' } }).map(({ pointer }) => pointer)).toContain('/name');
  });

  test('pointers escape what RFC 6901 wants escaped', () => {
    expect(formFaults({ name: 'acme', template: { name: 'toolbridge' }, 'a/b~c': 1 })).toEqual([
      { pointer: '/a~1b~0c', message: 'is not a known field' },
    ]);
  });
});

describe('faults the form cannot see', () => {
  const lookups = {
    template: async (name: string) =>
      name === 'toolbridge'
        ? { spec: { containers: [{ name: 'api', image: 'x' }], parameters: { properties: { size: { type: 'integer' } } } } }
        : undefined,
    templateNames: () => ['toolbridge'],
    revision: async () => undefined,
    organizationExists: async (id: string) => id === 'org_1',
  };

  test('template, parameters, containers and organization are told together', async () => {
    const known = {
      template: { name: 'toolbridge' },
      parameters: { size: 'big', other: 1 },
      containers: { web: {} },
      organizationId: 'org_2',
    };
    expect(await faultsBeyondForm(known, lookups)).toEqual([
      { pointer: '/parameters/other', message: 'is not a parameter of the template' },
      { pointer: '/parameters/size', message: 'must be integer' },
      { pointer: '/containers/web', message: 'is not a container of the template; it has: api, mcp' },
      { pointer: '/organizationId', message: 'is not an organization of this WorkOS environment' },
    ]);
  });

  test('an unknown template is answered with those there are', async () => {
    expect(await faultsBeyondForm({ template: { name: 'nope' } }, lookups)).toEqual([
      { pointer: '/template/name', message: 'is not the name of a StackTemplate; there are: toolbridge' },
    ]);
  });

  test.each([[null], [[]], ['text'], [{ template: 'x', parameters: 3, containers: 4, organizationId: 5 }]])(
    '%j is left to the form',
    async (body) => {
      expect(await faultsBeyondForm(body, lookups)).toEqual([]);
    },
  );
});

describe("the API server's refusals", () => {
  const refusal = (field: string, message: string) => faultsOfRefusal(new KubeError(422, 'Invalid', 'refused', [{ field, message }]));

  test.each([
    ['spec.replicas', 'Invalid value: must be less', '/replicas'],
    ['spec.containers[api].env[0].name', 'bad', '/containers/api/env/0/name'],
    ['metadata.name', 'reserved', '/name'],
    ['spec', 'Invalid value: organizationId is immutable once set: another organization needs another tenant', '/organizationId'],
    ['spec', 'database.mode is immutable: create another tenant instead', '/database/mode'],
    ['spec', 'nobody knows', ''],
  ])('%s: %s -> %j', (field, message, pointer) => {
    expect(refusal(field, message)[0]?.pointer).toBe(pointer);
  });
});

test('a merge patch does what the examples of RFC 7396 say', () => {
  const cases: [unknown, unknown, unknown][] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, result] of cases) expect(mergePatch(target, patch)).toEqual(result);
});

test('every problem of the catalogue renders as problem details with its own type', () => {
  const types = Object.entries(catalogue).map(([code, { status }]) => {
    const rendered = new Problem(code as keyof typeof catalogue, 'what to do').render('request-1');
    expect(problemDetails.parse(rendered)).toEqual(rendered);
    expect(rendered).toMatchObject({ status, instance: 'request-1' });
    return rendered.type;
  });
  expect(new Set(types).size).toBe(types.length);
});

test.each([
  ['a-good.id:1', true],
  ['', false],
  ['with space', false],
  ['line\nbreak', false],
  ['x'.repeat(129), false],
])('the request id %j is taken over: %s', (given, taken) => {
  expect(requestIdOf({ headers: { 'x-request-id': given } }) === given).toBe(taken);
});
