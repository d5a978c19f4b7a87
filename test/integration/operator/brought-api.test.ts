/** An API that was brought with a mistake: the Tenant's status names the mistake and its remedy within seconds. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Tenant } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import { World } from '../../world.ts';
import { CommandLine } from '../command-line.ts';
import { diagnose } from '../diagnosing.ts';

const world = new World();
const { kubeconfig, adminUrl, adminToken } = world.context;
const folder = mkdtempSync(join(tmpdir(), 'tenantry-brought-'));
/** Somebody with a kubeconfig and a control plane. */
const administrator = new CommandLine(folder, { KUBECONFIG: kubeconfig, TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken });
const made: string[] = [];
/** Longest time between the first life sign of the pod and the reason in the status. */
const withinMs = 20_000;

afterAll(async () => {
  await world.remove(...made);
  rmSync(folder, { recursive: true, force: true });
  for (const template of made) await world.kube.delete(kinds.StackTemplate, template).catch(() => {});
});

const brought = (mistake: string): string[] => ['node', resolve(import.meta.dirname, '../brought-api.mjs'), mistake];

async function applyTemplate(name: string, command: readonly string[], readyPath = '/readyz'): Promise<void> {
  const spec = { containers: [{ name: 'api', image: 'example.com/shop:1', command, readyPath }], upstreamAuth: { mode: 'none' } };
  const manifest = { apiVersion: 'tenantry.dev/v1alpha1', kind: 'StackTemplate', metadata: { name }, spec };
  expect(await world.kubectl(['apply', '-f', '-'], JSON.stringify(manifest))).toMatchObject({ code: 0 });
}

/** A tenant of a template of its own, both of one name. */
async function bring(command: readonly string[], spec: object = {}): Promise<string> {
  const name = world.name('brought');
  made.push(name);
  await applyTemplate(name, command);
  const tenant = { template: { name }, database: { mode: 'none' }, deletionPolicy: 'delete', ...spec };
  await world.kube.create(kinds.Tenant, { metadata: { name }, ...{ spec: tenant } });
  return name;
}

const conditionOf = ({ status }: Tenant, type: string) => status?.conditions?.find((condition) => condition.type === type);

test.each<[string, string[], string, RegExp]>([
  ['a document that is missing', brought('document-missing'), 'DocumentUnusable', /GET \/openapi\.json answered 404.*spec\.openapi\.path/],
  ['an HTML page for a document', brought('document-html'), 'DocumentUnusable', /is an HTML page.*Serve an OpenAPI 3 document/],
  ['a document of Swagger 2.0', brought('document-swagger'), 'DocumentUnusable', /Swagger 2\.0, but OpenAPI 3\.x is needed/],
  ['a document that is not JSON', brought('document-text'), 'DocumentUnusable', /neither a JSON nor a YAML object/],
  ['a wrong port', brought('wrong-port'), 'ApiNotListening', /does not listen on port 8081.*PORT and HOST/],
  ['an API that is never ready', brought('not-ready'), 'ApiNotReady', /GET \/readyz answered 503.*readyPath/],
  ['a program that does not exist', ['/nonexistent/shop'], 'ProgramMissing', /container api.*\/nonexistent\/shop.*command in the template/],
])('%s is named within seconds', async (_name, command, reason, message) => {
  const name = await bring(command);
  await world.until(name, (tenant) => conditionOf(tenant, 'WorkloadAvailable') !== undefined);
  const started = performance.now();
  const tenant = await world.until(name, (current) => conditionOf(current, 'WorkloadAvailable')?.reason === reason);
  expect(performance.now() - started).toBeLessThan(withinMs);
  expect(conditionOf(tenant, 'WorkloadAvailable')).toMatchObject({ status: 'False', message: expect.stringMatching(message) });
  expect(conditionOf(tenant, 'Ready')).toMatchObject({ status: 'False', message: expect.stringMatching(message) });
  expect(JSON.stringify(tenant.status)).not.toContain('secret-of-the-api');
});

test('diagnose says why an API does not serve', async () => {
  const name = await bring(brought('not-ready'));
  await world.until(name, (tenant) => conditionOf(tenant, 'WorkloadAvailable')?.reason === 'ApiNotReady');
  const { code, found } = await diagnose(administrator, name);
  expect(code).not.toBe(0);
  expect(found.steps.find((step) => step.name === 'pod')).toMatchObject({
    state: 'broken',
    fault: expect.stringMatching(/^ApiNotReady: GET \/readyz answered 503/),
  });
});

test('a document that stays unusable stalls the tenant, and a mended template heals it', async () => {
  const name = await bring(brought('document-swagger'));
  const stalled = await world.until(name, (tenant) => conditionOf(tenant, 'Stalled')?.status === 'True');
  expect(conditionOf(stalled, 'Stalled')).toMatchObject({ reason: 'DocumentUnusable', message: expect.stringContaining('Swagger 2.0') });
  expect(stalled.status?.phase).toBe('Stalled');
  await applyTemplate(name, brought('nothing'));
  const healed = await world.ready(name);
  expect(conditionOf(healed, 'Stalled')?.status).toBe('False');
  expect(healed.status?.server).toMatchObject({ tools: 1, operations: 1 });
});

test('a roll-out of a wrong API is named while the old pod serves', async () => {
  const name = await bring(brought('nothing'));
  await world.ready(name);
  await applyTemplate(name, brought('document-swagger'));
  const stalled = await world.until(name, (tenant) => conditionOf(tenant, 'Stalled')?.status === 'True');
  expect(conditionOf(stalled, 'Stalled')).toMatchObject({ reason: 'DocumentUnusable' });
  expect(conditionOf(stalled, 'Ready')).toMatchObject({ status: 'True', message: expect.stringContaining('is Swagger 2.0') });
});

test('operations that became no tool, and entries of spec.tools that match none, are in the status of a tenant that serves', async () => {
  const name = await bring(brought('left-out'), { tools: { deny: ['drop_*'] } });
  const tenant = await world.ready(name);
  expect(tenant.status?.server).toMatchObject({
    tools: 1,
    operations: 2,
    operationsLeftOut: { count: 1, first: [expect.stringMatching(/^POST \/photo: /)] },
    unmatchedTools: ['deny: drop_*'],
  });
  const described = await world.kubectl(['describe', 'tenant', name]);
  expect(described.stdout).toMatch(/1 of 2 operations became no tool: POST \/photo/);
  expect(described.stdout).toContain('Entries of spec.tools match no tool: deny: drop_*.');
  const shown = await administrator.run(['tenants', 'get', name]);
  expect(shown.stdout).toMatch(/Tools: +1, from 2 operations; operations that became no tool: 1/);
  expect(shown.stdout).toMatch(/POST \/photo: /);
  const { found } = await diagnose(administrator, name);
  expect(found.steps.find((step) => step.name === 'handshake')?.seen.join('\n')).toMatch(/operations became no tool: POST \/photo/);
});

test('an API without any operation serves, and its status says that there is no tool', async () => {
  const name = await bring(brought('no-operation'));
  const tenant = await world.ready(name);
  expect(tenant.status?.server).toMatchObject({ tools: 0, operations: 0 });
  expect(conditionOf(tenant, 'Ready')?.message).toContain('no operation, so there is no tool');
});
