import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { mergePatchSchema } from '../../../../control-plane/admin/patch-schema.ts';
import { permissions } from '../../../../control-plane/identity/permissions.ts';
import { tenantSpec } from '../../../../crds/tenant.ts';
import { type Code, controlPlane, entryOf, shared } from '../../../../problems/catalogue.ts';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly responses: Readonly<
    Record<
      string,
      { description: string; headers: Record<string, object>; content?: Record<string, { examples?: Record<string, object> }> }
    >
  >;
}

const read = (file: string) => JSON.parse(readFileSync(new URL(`../../../../${file}`, import.meta.url), 'utf8'));
const document = read('control-plane/openapi.json') as {
  readonly info: { readonly version: string; readonly description: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation })),
);
const each = test.each(operations.map((one) => [one.name, one] as const));

test('the document has the version of the package and an introduction', () => {
  expect(document.info.version).toBe(read('package.json').version);
  for (const topic of ['Authentication', 'Permissions', 'Problems', 'ETags', 'Pages', 'Idempotency', 'Dry runs', 'Limits', 'Versions'])
    expect(document.info.description).toContain(`**${topic}.**`);
  for (const { slug } of permissions) expect(document.info.description).toContain(`\`${slug}\``);
});

test('operation ids are unique and begin with a verb', () => {
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  const verbs =
    /^(list|get|create|change|delete|suspend|resume|rotate|set|add|verify|remove|connect|revoke|apply|export|find|receive|record)([A-Z][a-z]+)+$/;
  for (const id of ids) expect(id).toMatch(verbs);
});

each('%s is described the one way', (_name, { path, operation }) => {
  expect(operation.summary.length).toBeGreaterThan(5);
  // What is not obvious from the summary, in whole sentences.
  expect(operation.description).toMatch(/^.{20,}[.`]$/s);
  expect(document.tags.map(({ name }) => name)).toEqual(expect.arrayContaining([...operation.tags]));
  expect(Object.keys(operation).filter((key) => key.startsWith('x-'))).toEqual([]);
  const isAdmin = path.startsWith('/admin/');
  expect(operation.security.some((scheme) => (scheme['session'] ?? []).length === 1)).toBe(isAdmin);
  // Whoever finds their tenant has the requests of an administrator: both are people who are signed in.
  const isCounted = isAdmin || path === '/v1/auth/tenant';
  for (const [status, { headers, content }] of Object.entries(operation.responses)) {
    const names = Object.keys(headers);
    expect(names, status).toContain('X-Request-Id');
    expect(names.includes('RateLimit-Remaining'), `RateLimit of ${status}`).toBe(isCounted);
    if (status === '401') expect(names).toContain('WWW-Authenticate');
    if (status === '429' || status === '503') expect(names).toContain('Retry-After');
    if (status === '304') expect(names).toContain('ETag');
    if (Number(status) < 400) continue;
    const codes = Object.keys(content?.['application/problem+json']?.examples ?? {}) as Code[];
    expect(codes.length, status).toBeGreaterThan(0);
    expect(codes.map((code) => entryOf(code).status)).toEqual(codes.map(() => Number(status)));
  }
});

test('every problem belongs to an operation, except unknown paths and internal errors', () => {
  const declared = new Set(
    operations.flatMap(({ operation }) =>
      Object.values(operation.responses).flatMap(({ content }) => Object.keys(content?.['application/problem+json']?.examples ?? {})),
    ),
  );
  expect(Object.keys({ ...shared, ...controlPlane }).filter((code) => !declared.has(code))).toEqual(['method-not-allowed', 'internal']);
});

describe('the schema of a merge patch', () => {
  test('makes every field optional and allows null for optional ones', () => {
    const described = z.strictObject({
      kept: z.string(),
      mode: z.enum(['a', 'b']).default('a'),
      map: z.record(z.string(), z.boolean()).optional(),
      part: z.strictObject({ name: z.string(), size: z.int().optional() }),
      list: z.array(z.strictObject({ name: z.string() })).optional(),
    });
    const { properties, ...rest } = mergePatchSchema(described) as { properties: Record<string, object> };
    expect(rest).toEqual({ type: 'object', additionalProperties: false });
    expect(properties).toMatchObject({
      kept: { type: 'string' },
      mode: { type: ['string', 'null'], enum: ['a', 'b', null] },
      map: { type: ['object', 'null'], additionalProperties: { type: ['boolean', 'null'] } },
      part: { type: 'object', properties: { name: { type: 'string' }, size: { type: ['integer', 'null'] } } },
      list: { type: ['array', 'null'], items: { required: ['name'] } },
    });
    for (const absent of [properties['mode'], properties['part']]) {
      expect(absent).not.toHaveProperty('default');
      expect(absent).not.toHaveProperty('required');
    }
  });

  test('names every field of PATCH', () => {
    const { properties } = read('control-plane/openapi.json').components.schemas.TenantPatch as { properties: object };
    expect(Object.keys(properties).sort()).toEqual(['labels', ...Object.keys(tenantSpec.shape)].sort());
  });
});
