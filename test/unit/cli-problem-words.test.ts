import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../cli/admin-api.ts';
import { inCommands } from '../../cli/problem-words.ts';

/** Words that mean nothing to who types commands. */
const ofHttp = /\b(GET|POST|PATCH|PUT|DELETE)\b|\?\w+=|Idempotency-Key|If-Match|Retry-After|\bETag\b/;

test.each([
  ['flux manages what you want to change. Change it there, or repeat with ?force=true to take it over.', /--force to take/],
  ['Repeat with ?data=retain or ?data=delete.', /--data retain or --data delete/],
  ['There is no tenant named acme. GET /admin/tenants lists them.', /`tenantry tenants list` lists/],
  ['acme has no domain x. GET /admin/tenants/acme/domains lists them.', /`tenantry domains list` lists/],
  ['The template of acme has no service x. GET /admin/tenants/acme/services lists them.', /`tenantry services list` lists/],
  ['acme has no API key x. GET /admin/tenants/acme/api-keys lists them.', /`tenantry keys list` lists/],
  ['Revoke one by DELETE /admin/tenants/acme/api-keys/3mX9aQ7bK2Lp.', /Revoke one by `tenantry keys revoke`/],
  ['There is no template named x. GET /admin/templates lists them.', /`tenantry templates list` lists/],
  ['A tenant named acme exists. Choose another name, or change it with PATCH.', /change it with `tenantry tenants update`/],
  ['acme is being deleted. Wait until GET /admin/tenants/acme answers 404.', /Wait until the tenant is gone/],
  ['acme has x.example.com already. POST …/domains/x.example.com/verify looks at its record.', /`tenantry domains verify` looks/],
  ['This Idempotency-Key came with another body before. Use a new one.', /This --idempotency-key came/],
])('%s', (detail, expected) => {
  expect(inCommands(detail)).toMatch(expected);
  expect(inCommands(detail)).not.toMatch(ofHttp);
});

/** Every problem of the API, as its document shows it. */
const { components } = JSON.parse(readFileSync(join(import.meta.dirname, '../../control-plane/openapi.json'), 'utf8')) as {
  components: { examples: Record<string, { value: { type: string; title: string; detail: string } }> };
};
/** What the command line never asks for, or sends by itself. */
const never = new Set([
  'route-not-found',
  'method-not-allowed',
  'precondition-failed',
  'webhook-refused',
  'malformed-request',
  'too-many-requests',
]);
const problems = Object.entries(components.examples).filter(
  ([code, { value }]) => value.type?.endsWith(`/problems/${code}`) && !never.has(code),
);

describe('a problem as the API documents it', () => {
  test('is found in its document', () => expect(problems.length).toBeGreaterThan(20));

  test.each(problems)('%s is told without words of HTTP', (_code, { value }) => {
    const failure = failureOf(new Response(null, { status: 409 }), value);
    expect(`${failure.message} ${failure.remedy ?? ''}`).not.toMatch(ofHttp);
  });
});

test('what to do is said where the detail does not', () => {
  const told = (code: string, status: number, headers = {}): string | undefined =>
    failureOf(new Response(null, { status, headers }), { type: `https://tenantry.dev/problems/${code}`, title: 'x' }).remedy;
  expect(told('forbidden', 403)).toContain('tenantry whoami');
  expect(told('unauthenticated', 401)).toContain('tenantry login');
  expect(told('data-fate-unstated', 409)).toContain('--data retain');
  expect(told('store-unavailable', 503, { 'retry-after': '5' })).toBe('Try again in 5 s.');
});
