import { describe, expect, test } from 'vitest';
import type { StackTemplateRevision } from '../../../../crds/stack-template.ts';
import { resolveTemplate, type Templates } from '../../../../operator/templates/resolve.ts';
import { template, tenant } from '../../gen.ts';

const parameters = (fallback: number) => ({ type: 'object', properties: { size: { type: 'integer', default: fallback } } });
const revision = (name: string, fallback: number): StackTemplateRevision => ({
  apiVersion: 'tenantry.dev/v1alpha1',
  kind: 'StackTemplateRevision',
  metadata: { name: `toolbridge-${name}` },
  spec: { template: 'toolbridge', revision: name, spec: template({ parameters: parameters(fallback) }).spec },
});

const newest = template({ parameters: parameters(3) });
const known: Templates = {
  newest: (name) => (name === 'toolbridge' ? newest : undefined),
  of: (name) => (name === 'toolbridge' ? [revision('bbbbbbbbbb', 2), revision('aaaaaaaaaa', 1)] : []),
};

describe('the template of a tenant', () => {
  test('is the newest, with the defaults of its parameters', () => {
    expect(resolveTemplate(tenant(), known)).toEqual({ template: { spec: newest.spec }, parameters: { size: 3 } });
  });

  test('is the revision that the tenant names', () => {
    const pinned = tenant({ template: { name: 'toolbridge', revision: 'aaaaaaaaaa' } });
    expect(resolveTemplate(pinned, known)).toMatchObject({ parameters: { size: 1 } });
    expect(resolveTemplate(tenant({ template: { name: 'toolbridge', revision: 'bbbbbbbbbb' } }), known)).toMatchObject({
      parameters: { size: 2 },
    });
  });

  test('is reported missing by its name', () => {
    expect(resolveTemplate(tenant({ template: { name: 'nope' } }), known)).toMatchObject({
      reason: 'TemplateNotFound',
      message: expect.stringContaining('StackTemplate nope does not exist'),
    });
  });

  test('lists its revisions where it lacks the one named', () => {
    expect(resolveTemplate(tenant({ template: { name: 'toolbridge', revision: 'cccccccccc' } }), known)).toMatchObject({
      reason: 'RevisionNotFound',
      message: expect.stringMatching(/has no revision cccccccccc; it has: bbbbbbbbbb, aaaaaaaaaa\./),
    });
    expect(resolveTemplate(tenant({ template: { name: 'nope', revision: 'cccccccccc' } }), known)).toMatchObject({
      reason: 'RevisionNotFound',
      message: expect.stringContaining('it has none'),
    });
  });

  test('names the fields of a tenant that does not fit, and who corrects them', () => {
    expect(resolveTemplate(tenant({ parameters: { size: 'large' } }), known)).toMatchObject({
      reason: 'ParametersInvalid',
      message: expect.stringMatching(/does not fit StackTemplate toolbridge: \/spec\/parameters\/size .*Correct the tenant\.$/),
    });
  });

  test('names the fields of a template that cannot be used, and who corrects them', () => {
    const broken: Templates = {
      ...known,
      newest: () => template({ parameters: { type: 'object', properties: { size: { pattern: '(?=a)' } } } }),
    };
    expect(resolveTemplate(tenant(), broken)).toMatchObject({
      reason: 'TemplateInvalid',
      message: expect.stringMatching(/StackTemplate toolbridge cannot be used: .*Correct the template\.$/),
    });
  });
});
