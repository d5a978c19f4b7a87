import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { newTenant, tenantRepresentation } from '../../../../control-plane/admin/representation.ts';
import { problemDetails } from '../../../../control-plane/http/problem.ts';
import { validate } from '../../../../control-plane/http/validation.ts';
import { stackTemplateSpec } from '../../../../crds/stack-template.ts';
import { tenantSpec, tenantStatus } from '../../../../crds/tenant.ts';

function formFaults(body: unknown) {
  const form = validate(newTenant, body);
  return form.fits ? [] : form.faults;
}

describe('the schema of a tenant', () => {
  test('accepts a valid tenant', () => {
    expect(formFaults({ name: 'acme', template: { name: 'toolbridge' } })).toEqual([]);
  });

  test('points to every fault', () => {
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

  test.each([['admin'], ['a'.repeat(41)], ['-a'], ['9a'], ['a_b'], ['']])('refuses the name %j', (name) => {
    expect(formFaults({ name, template: { name: 'toolbridge' } }).map(({ pointer }) => pointer)).toContain('/name');
  });

  test('escapes pointers by RFC 6901', () => {
    expect(formFaults({ name: 'acme', template: { name: 'toolbridge' }, 'a/b~c': 1 })).toEqual([
      { pointer: '/a~1b~0c', message: expect.stringMatching(/^is not a known field; known fields: name, labels, displayName, /) },
    ]);
  });

  test.each<[string, object, string, string]>([
    ['another type', { displayName: 3 }, '/displayName', 'must be a string, not a number'],
    ['null', { displayName: null }, '/displayName', 'must be a string, not null'],
    ['a list', { parameters: [] }, '/parameters', 'must be an object, not a list'],
    ['not a list', { domains: 'x' }, '/domains', 'must be a list, not a string'],
    ['not a boolean', { suspended: 'yes' }, '/suspended', 'must be true or false, not a string'],
    ['a fraction', { replicas: 1.5 }, '/replicas', 'must be a whole number, not 1.5'],
    ['too few', { replicas: 0 }, '/replicas', 'must be at least 1'],
    ['too many', { replicas: 21 }, '/replicas', 'must be at most 20'],
    ['nothing in it', { displayName: '' }, '/displayName', 'must not be empty'],
    ['too long', { displayName: 'x'.repeat(101) }, '/displayName', 'must have at most 100 characters'],
    ['too many entries', { domains: Array(11).fill('a.example.com') }, '/domains', 'must have at most 10 entries'],
    ['not an allowed value', { deletionPolicy: 'burn' }, '/deletionPolicy', 'must be one of "retain", "delete"'],
    [
      'not an email address',
      { organization: { name: 'x', admin: { email: 'y' } } },
      '/organization/admin/email',
      'must be an email address such as jane@example.com',
    ],
    ['an impossible key', { labels: { 'a b': 'c' } }, '/labels/a b', 'is not a valid name: it must be the key of a label'],
    [
      'another resource',
      { containers: { api: { resources: { limits: { gpu: '1' } } } } },
      '/containers/api/resources/limits/gpu',
      'is not a known field; known fields: cpu, memory, ephemeral-storage',
    ],
    ['a field of a part', { database: { size: 1 } }, '/database/size', 'is not a known field; known fields: mode, deletionPolicy'],
    ['not an id', { organizationId: 'acme' }, '/organizationId', 'must be the id of a WorkOS organization, such as org_01HXYZ'],
  ])('names what is allowed: %s', (_what, part, pointer, message) => {
    expect(formFaults({ name: 'acme', template: { name: 'toolbridge' }, ...part })).toEqual([{ pointer, message }]);
  });

  test('describes every fault in plain words', () => {
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
        const form = validate(schema, document);
        for (const { message } of form.fits ? [] : form.faults)
          expect(message.replaceAll(/"[^"]*"|known fields: .*/g, '')).not.toMatch(theirs);
      }),
      { numRuns: 500 },
    );
  });
});

test('the components of the document leave the schemas of custom resources unchanged', () => {
  expect([tenantSpec.meta()?.['id'], tenantStatus.meta()?.['id']]).toEqual([undefined, undefined]);
  expect(tenantRepresentation.shape.spec.meta()?.['id']).toBe('TenantSpec');
});
