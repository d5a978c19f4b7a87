import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namespaceOf } from '../../../crds/names.ts';
import type { Tenant } from '../../../crds/tenant.ts';
import { kinds } from '../../../kube/resources.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { schemathesis, settings } from '../../schemathesis/locate.mjs';
import { type Cluster, createNamespace, createTenant, openWorkos, podToken, startCluster, startPlane } from './cluster.ts';

/** The same examples every time; a failure prints the command that repeats it. */
const seed = 20261121;
const examplesEach = 6;
/** A minute or two; other work on the machine makes it slower. */
const timeoutMs = 900_000;
/** What exists, so that not every request ends at a name that does not. Not the name of the document's examples, which get deleted. */
const [tenant, template] = ['globex', 'plain'];
const operator = { namespace: 'tenantry-system', account: 'tenantry-operator' };

let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>>;
let platform: string;
let organization: string;

/** A Kubernetes API and a control plane of its own, where nobody starts what the examples create. */
beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  platform = workos.createOrganization({ name: 'Platform' }).id;
  organization = workos.createOrganization({ name: 'Globex' }).id;
  plane = await startPlane(cluster, workos, { platformOrganizationId: platform });
  const { metadata } = await createTenant(cluster, tenant, organization);
  await createNamespace(cluster, tenant, metadata.uid ?? '');
  await cluster.client.create(kinds.Namespace, { metadata: { name: operator.namespace } });
  await cluster.client.create(kinds.ServiceAccount, { metadata: { name: operator.account, namespace: operator.namespace } });
});

afterAll(async () => {
  await plane.stop();
  await workos.close();
  await cluster.stop();
});

async function tokenOf(role: string, organizationId: string, permissions: string[]): Promise<string> {
  const user = await workos.createUser({ email: `${role}-${randomUUID()}@example.com`, password: 'a password for tests' });
  workos.createMembership({ userId: user.id, organizationId, roleSlug: role });
  return workos.adminToken({ userId: user.id, organizationId, role, permissions });
}

/**
 * Runs schemathesis over the whole document, or with names that exist over all but what removes them.
 * @returns its exit code and what it printed.
 */
async function run(change: (document: string) => string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const document = change(await (await fetch(`${plane.url}/openapi.json`)).text());
  const file = join(cluster.workosDir, `openapi-${randomUUID()}.json`);
  await writeFile(file, document);
  const child = spawn(
    schemathesis(process.env),
    [
      ...['--config-file', settings, 'run', file, '--url', plane.url, '--seed', String(seed), '--max-examples', String(examplesEach)],
      // What fits the document may still be refused for what only lookups tell, such as a template that is not there.
      ...['--exclude-checks', 'positive_data_acceptance', '--workers', '1', '--generation-database', 'none', '--no-color', '--no-shrink'],
      ...['--request-timeout', '30', '--suppress-health-check', 'all', '--warnings', 'off', ...args],
    ],
    { cwd: cluster.workosDir, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, output };
}

/** Names of what exists in place of any name. */
function existing(text: string): string {
  const document = JSON.parse(text) as {
    paths: Record<string, Record<string, { parameters?: { name: string; in: string; schema: object }[] }>>;
  };
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const { parameters = [] } of Object.values(operations)) {
      const name = parameters.find((one) => one.in === 'path' && one.name === 'name');
      if (name !== undefined) name.schema = { type: 'string', enum: [path.startsWith('/admin/templates') ? template : tenant] };
    }
  }
  const { components } = document as unknown as { components: { schemas: { NewTenant: { properties: Record<string, object> } } } };
  components.schemas.NewTenant.properties['template'] = {
    type: 'object',
    properties: { name: { type: 'string', enum: [template] } },
    required: ['name'],
    additionalProperties: false,
  };
  return JSON.stringify(document);
}

const all = ['tenants:read', 'tenants:write', 'tenants:delete', 'tenants:rotate', 'audit:read', 'templates:write'];
const whole = (document: string): string => document;
/** A stranger gets no further than the token; what covering every keyword finds is the same for whoever may ask. */
const phases = (names: string): string[] => ['--phases', names];
/** Of a batch each record is checked by itself: one that is malformed is told in an answer that is a success. */
const only = (path: string): string[] => [
  ...phases('examples,coverage,fuzzing'),
  ...['--include-path-regex', `^${path}/`, '--exclude-checks', 'negative_data_rejection'],
];
const withoutDeletion = ['--exclude-operation-id', 'deleteTenant'];
const keep = [...withoutDeletion, '--exclude-operation-id', 'applyTemplate'];

test.concurrent.each<[string, () => Promise<string | undefined>, typeof whole, readonly string[]]>([
  ['nobody', async () => undefined, whole, phases('examples,coverage')],
  [
    'a platform administrator',
    () => tokenOf('platform-admin', platform, all),
    whole,
    [...phases('examples,coverage,fuzzing'), ...withoutDeletion],
  ],
  [
    'a platform administrator, of what exists',
    () => tokenOf('platform-admin', platform, all),
    existing,
    [...phases('fuzzing,stateful'), ...keep],
  ],
  [
    "a tenant's administrator, of what exists",
    () =>
      tokenOf(
        'tenant-admin',
        organization,
        all.filter((one) => !/delete|templates/.test(one)),
      ),
    existing,
    [...phases('fuzzing'), ...keep],
  ],
  ['a pod, of what pods ask', () => podToken(cluster, namespaceOf(tenant)), whole, only('/pods')],
  ['the operator, of what it reports', () => podToken(cluster, operator.namespace, operator.account), whole, only('/operator')],
])(
  `as %s: every answer is one the document knows (seed ${seed})`,
  async (_who, token, change, args) => {
    await expectKnownAnswers(await token(), change, args);
    expect((await cluster.client.get<Tenant>(kinds.Tenant, tenant)).metadata.deletionTimestamp).toBeUndefined();
  },
  timeoutMs,
);

// After the others, whose tenant it may well find and delete.
test(
  `deletion, as a platform administrator: every answer is one the document knows (seed ${seed})`,
  async () => {
    const only = ['--include-operation-id', 'deleteTenant', ...phases('examples,coverage,fuzzing')];
    await expectKnownAnswers(await tokenOf('platform-admin', platform, all), existing, only);
  },
  timeoutMs,
);

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly responses: Readonly<Record<string, object>>;
}

const reads = ['tenants:read', 'audit:read'];

test.each<[string, readonly string[], () => Promise<string>]>([
  ['a viewer of the platform', reads, () => tokenOf('platform-viewer', platform, reads)],
  ['a member without a permission', [], () => tokenOf('member', organization, [])],
])('each operation requires exactly the documented permission, as %s', async (_who, has, token) => {
  const authorization = `Bearer ${await token()}`;
  const document = (await (await fetch(`${plane.url}/openapi.json`)).json()) as { paths: Record<string, Record<string, Operation>> };
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, { operationId, security, responses }] of Object.entries(operations)) {
      const needed = security.find((one) => 'session' in one)?.['session'];
      if (needed === undefined) continue;
      // A name that is not there: what opens changes nothing.
      const url = plane.url + path.replaceAll(/\{\w+\}/g, 'nobody');
      const answer = await fetch(url, { method: method.toUpperCase(), headers: { authorization } });
      expect(Object.keys(responses), operationId).toContain(String(answer.status));
      const opens = needed.every((permission) => has.includes(permission));
      expect([operationId, answer.status === 403]).toEqual([operationId, !opens]);
    }
  }
});

async function expectKnownAnswers(bearer: string | undefined, change: typeof whole, args: readonly string[]): Promise<void> {
  const { code, output } = await run(change, [...args, ...(bearer === undefined ? [] : ['-H', `Authorization: Bearer ${bearer}`])]);
  expect(code, bearer === undefined ? output : output.replaceAll(bearer, '<token>')).toBe(0);
  // Unharmed, and no request has failed in a way nobody expected.
  expect((await fetch(`${plane.url}/readyz`)).status).toBe(200);
  expect(plane.lines.filter((line) => line.includes('"request failed"'))).toEqual([]);
}
