import { describe, expect, test } from 'vitest';
import { fitTenant } from '../../../crds/fit.ts';
import { stackTemplateSpec } from '../../../crds/stack-template.ts';

const template = (more: object = {}) => stackTemplateSpec.parse({ containers: [{ name: 'api', image: 'x:1' }], ...more });
const sized = template({
  parameters: { properties: { size: { type: 'integer', default: 3 } } },
  services: [{ name: 'notes' }, { name: 'tasks' }],
});

describe('a tenant and its template', () => {
  test('fit, with the defaults of the parameters', () => {
    expect(fitTenant(sized, {}, '/spec')).toEqual({ parameters: { size: 3 }, misfits: [] });
    expect(fitTenant(sized, { parameters: { size: 4 }, services: { notes: false } }, '/spec')).toEqual({
      parameters: { size: 4 },
      misfits: [],
    });
  });

  test('do not fit by parameters, services and containers', () => {
    const { parameters, misfits } = fitTenant(sized, { parameters: { size: 'x' }, services: { 'a/b': true }, containers: { db: {} } }, '');
    expect(parameters).toEqual({});
    expect(misfits).toEqual([
      {
        reason: 'ParametersInvalid',
        faults: [
          { pointer: '/parameters/size', message: 'must be integer' },
          { pointer: '/services/a~1b', message: 'is not a service of the template; it has: notes, tasks' },
        ],
      },
      {
        reason: 'ContainersInvalid',
        faults: [{ pointer: '/containers/db', message: 'is not a container of the template; it has: api, mcp' }],
      },
    ]);
    expect(fitTenant(template(), { services: { notes: true } }, '').misfits).toEqual([
      { reason: 'ParametersInvalid', faults: [{ pointer: '/services/notes', message: 'is not a service of the template; it has none' }] },
    ]);
  });

  test('are at fault in the template alone where its schema cannot be used', () => {
    const broken = template({ parameters: { properties: { size: { pattern: '(?=a)' } } } });
    const { misfits } = fitTenant(broken, { parameters: { other: 1 } }, '/spec');
    expect(misfits.map(({ reason }) => reason)).toEqual(['TemplateInvalid']);
    expect(misfits[0]?.faults[0]?.pointer).toBe('/spec/parameters/properties/size/pattern');
  });

  test.each([['text'], [[1]], [7]])('are not checked for parameters of the wrong form %j', (parameters) => {
    expect(fitTenant(sized, { parameters }, '/spec')).toEqual({ parameters: {}, misfits: [] });
  });
});
