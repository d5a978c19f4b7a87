import { describe, expect, test } from 'vitest';
import { faultsOfReferences } from '../../../../control-plane/admin/checks.ts';

describe('faults of references', () => {
  const lookups = {
    template: async (name: string) =>
      name === 'toolbridge'
        ? { spec: { containers: [{ name: 'api', image: 'x' }], parameters: { properties: { size: { type: 'integer' } } } } }
        : undefined,
    templateNames: () => ['toolbridge'],
    revision: async () => undefined,
    organizationExists: async (id: string) => id === 'org_1',
  };

  test('of template, parameters, containers and organization are returned together', async () => {
    const known = {
      template: { name: 'toolbridge' },
      parameters: { size: 'big', other: 1 },
      containers: { web: {} },
      organizationId: 'org_2',
    };
    expect(await faultsOfReferences(known, lookups)).toEqual([
      { pointer: '/parameters/other', message: 'is not a parameter of the template' },
      { pointer: '/parameters/size', message: 'must be integer' },
      { pointer: '/containers/web', message: 'is not a container of the template; it has: api, mcp' },
      { pointer: '/organizationId', message: 'is not an organization of this WorkOS environment' },
    ]);
  });

  test('list the known templates for an unknown one', async () => {
    expect(await faultsOfReferences({ template: { name: 'nope' } }, lookups)).toEqual([
      { pointer: '/template/name', message: 'is not the name of a StackTemplate; the templates are: toolbridge' },
    ]);
  });

  test.each([[null], [[]], ['text'], [{ template: 'x', parameters: 3, containers: 4, organizationId: 5 }]])(
    '%j is left to the form',
    async (body) => {
      expect(await faultsOfReferences(body, lookups)).toEqual([]);
    },
  );
});
