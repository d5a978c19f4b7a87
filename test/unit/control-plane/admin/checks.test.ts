import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { faultsBeyondForm } from '../../../../control-plane/admin/checks.ts';
import { parseSelector } from '../../../../control-plane/admin/labels.ts';
import { faultsOfRefusal, refusalOf } from '../../../../control-plane/admin/refusals.ts';
import { newTenant } from '../../../../control-plane/admin/representation.ts';
import { demanded, isKnown, tagList } from '../../../../control-plane/http/entity-tags.ts';
import { problemDetails } from '../../../../control-plane/http/problem.ts';
import { requestIdOf } from '../../../../control-plane/http/request-id.ts';
import { checkForm } from '../../../../control-plane/http/validation.ts';
import { stackTemplateSpec } from '../../../../crds/stack-template.ts';
import { tenantSpec } from '../../../../crds/tenant.ts';
import { KubeError } from '../../../../kube/errors.ts';
import { catalogue } from '../../../../problems/catalogue.ts';
import { Problem } from '../../../../problems/problem.ts';

function formFaults(body: unknown) {
  const form = checkForm(newTenant, body);
  return form.fits ? [] : form.faults;
}

test('a template that RBAC does not let the control plane write names both ways out', () => {
  const message =
    'stacktemplates.tenantry.dev "notes" is forbidden: User "cp" cannot patch resource "stacktemplates" in API group "tenantry.dev"';
  const problem = refusalOf(new KubeError(403, 'Forbidden', message));
  expect(problem).toMatchObject({
    code: 'refused-by-cluster',
    remedy: expect.stringMatching(/with kubectl, or set admin.writeTemplates/),
  });
  expect(refusalOf(new KubeError(403, 'Forbidden', 'cannot patch resource "tenants"'))).toBeInstanceOf(KubeError);
});

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
      { pointer: '/a~1b~0c', message: expect.stringMatching(/^is not a known field; known fields: name, labels, displayName, /) },
    ]);
  });

  test.each<[string, object, string, string]>([
    ['another type', { displayName: 3 }, '/displayName', 'must be a string, not a number'],
    ['null', { displayName: null }, '/displayName', 'must be a string, not null'],
    ['a list', { parameters: [] }, '/parameters', 'must be an object, not a list'],
    ['no list', { domains: 'x' }, '/domains', 'must be a list, not a string'],
    ['no switch', { suspended: 'yes' }, '/suspended', 'must be true or false, not a string'],
    ['a fraction', { replicas: 1.5 }, '/replicas', 'must be a whole number, not 1.5'],
    ['too few', { replicas: 0 }, '/replicas', 'must be at least 1'],
    ['too many', { replicas: 21 }, '/replicas', 'must be at most 20'],
    ['nothing in it', { displayName: '' }, '/displayName', 'must not be empty'],
    ['too long', { displayName: 'x'.repeat(101) }, '/displayName', 'must have at most 100 characters'],
    ['too many entries', { domains: Array(11).fill('a.example.com') }, '/domains', 'must have at most 10 entries'],
    ['none of those allowed', { deletionPolicy: 'burn' }, '/deletionPolicy', 'must be one of "retain", "delete"'],
    [
      'no address',
      { organization: { name: 'x', admin: { email: 'y' } } },
      '/organization/admin/email',
      'must be an email address such as jane@example.com',
    ],
    ['an impossible key', { labels: { 'a b': 'c' } }, '/labels/a b', 'is not a possible name: it must be the key of a label'],
    [
      'another resource',
      { containers: { api: { resources: { limits: { gpu: '1' } } } } },
      '/containers/api/resources/limits/gpu',
      'is not a known field; known fields: cpu, memory, ephemeral-storage',
    ],
    ['a field of a part', { database: { size: 1 } }, '/database/size', 'is not a known field; known fields: mode, deletionPolicy'],
    ['no id', { organizationId: 'acme' }, '/organizationId', 'must be the id of a WorkOS organization, such as org_01HXYZ'],
  ])('%s: says what is allowed', (_what, part, pointer, message) => {
    expect(formFaults({ name: 'acme', template: { name: 'toolbridge' }, ...part })).toEqual([{ pointer, message }]);
  });

  test('whatever is sent, every fault is said in our words', () => {
    const names = [
      'name',
      ...Object.keys(tenantSpec.shape),
      ...Object.keys(stackTemplateSpec.shape),
      'env',
      'value',
      'resources',
      'limits',
      'x',
    ];
    const { node } = fc.letrec((tie) => ({
      node: fc.oneof({ maxDepth: 4 }, fc.string(), fc.double(), fc.boolean(), fc.constant(null), tie('list'), tie('fields'), tie('fields')),
      list: fc.array(tie('node'), { maxLength: 3 }),
      fields: fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), tie('node'), { maxKeys: 5 }),
    }));
    const theirs = /Invalid|expected|received|Too (big|small)|Unrecognized|undefined|safeint/;
    fc.assert(
      fc.property(node, fc.constantFrom<z.ZodType>(newTenant, tenantSpec, stackTemplateSpec, problemDetails), (document, schema) => {
        const form = checkForm(schema, document);
        for (const { message } of form.fits ? [] : form.faults)
          expect(message.replaceAll(/"[^"]*"|known fields: .*/g, '')).not.toMatch(theirs);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a list of entity tags', () => {
  test.each<[string | undefined, unknown]>([
    [undefined, undefined],
    ['*', 'any'],
    [' * ', 'any'],
    ['"1-a"', ['1-a']],
    ['"1-a", "2,b"', ['1-a', '2,b']],
    ['W/"1-a"', []],
    ['W/"1-a","2-b"', ['2-b']],
    ['""', ['']],
  ])('If-Match: %s', (header, tags) => {
    expect(demanded(header)).toEqual(tags);
    if (header !== undefined) expect(tagList.test(header)).toBe(true);
  });

  test.each<[string | undefined, boolean]>([
    [undefined, false],
    ['*', true],
    ['"1-a"', true],
    ['W/"1-a"', true],
    ['"x", W/"1-a"', true],
    ['"x,y","1-a"', true],
    ['"2-b"', false],
    ['"1"', false],
    ['"x1-a"', false],
  ])('If-None-Match: %s', (header, known) => {
    expect(isKnown(header, '"1-a"')).toBe(known);
  });

  test.each(['1-a', '"1-a', '"a" "b"', '*, "a"', '"a",', 'w/"a"', '"a"b"', ''])('%j is none', (header) => {
    expect(tagList.test(header)).toBe(false);
  });
});

describe('a label selector', () => {
  const selects = (selector: string, labels: Record<string, string>) => parseSelector(selector)(labels);

  test.each<[string, Record<string, string>, boolean]>([
    ['', {}, true],
    ['  ', {}, true],
    ['a=', { a: '' }, true],
    ['a=', {}, false],
    ['a in (x,)', { a: '' }, true],
    ['a in(x , y),b', { a: 'y', b: '1' }, true],
    ['a notin (x)', {}, true],
    ['! a', {}, true],
    ['in', { in: 'x' }, true],
    ['in in (x)', { in: 'x' }, true],
    ['constructor', {}, false],
    ['!toString', {}, true],
    ['valueOf!=x', {}, true],
    ['example.com/tier = gold', { 'example.com/tier': 'gold' }, true],
  ])('%j of %j: %s', (selector, labels, selected) => {
    expect(selects(selector, labels)).toBe(selected);
  });

  test.each([
    ...[
      ')',
      '(',
      '()',
      ',',
      ',,',
      'a,',
      ',a',
      'a,,b',
      'a=b)',
      '(a=b)',
      'a=b,)',
      'a in (b',
      'a in b)',
      'a in ()',
      'a in (,)',
      'a in ((b))',
      'a in (b)(c)',
    ],
    ...[
      'a=b=c',
      'a==b==c',
      '=b',
      '!',
      '!!a',
      '!a=b',
      'a b',
      'a notin',
      'a>1',
      'a<1',
      'a=b c',
      'ä=b',
      'a=ä',
      '__proto__',
      '-a',
      'a='.padEnd(70, 'x'),
      'a in (b) c',
      '\0',
    ],
  ])('%j is none', (selector) => {
    expect(() => parseSelector(selector)).toThrow(
      expect.objectContaining({ code: 'invalid-query', message: expect.stringMatching(/^labelSelector: /) }),
    );
  });

  test('whatever is sent, it is read or refused', () => {
    const pieces = fc.array(
      fc.oneof(fc.constantFrom('a', 'in', 'notin', '(', ')', ',', '=', '==', '!=', '!', ' '), fc.string({ maxLength: 2 })),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        try {
          parseSelector(parts.join(''))({ a: 'a' });
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-query' });
        }
      }),
      { numRuns: 2_000 },
    );
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
      { pointer: '/template/name', message: 'is not the name of a StackTemplate; the templates are: toolbridge' },
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

test('every problem of the catalogue fits the schema of the OpenAPI document and has its own type', () => {
  const types = Object.entries(catalogue).map(([code, { status }]) => {
    const rendered = new Problem(code as keyof typeof catalogue, 'the fault').document('request-1');
    expect(problemDetails.parse(rendered)).toEqual(rendered);
    expect(rendered).toMatchObject({ status, requestId: 'request-1' });
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
