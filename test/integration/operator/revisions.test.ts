import { afterAll, expect, test } from 'vitest';
import type { StackTemplate, StackTemplateRevision } from '../../../crds/stack-template.ts';
import { kinds } from '../../../kube/resources.ts';
import { manifest } from '../../customer.ts';
import { World } from '../../world.ts';

const world = new World();
const template = world.name('versions');
const tenant = world.name('pinned');

afterAll(async () => {
  await world.remove(tenant);
  await world.kube.delete(kinds.StackTemplate, template);
});

/** An API that says which version it is. Version 0 says none. */
const program = `
  const document = { openapi: '3.1.0', info: { title: 'V', version: process.env.V ?? '0' }, paths: {} };
  require('node:http')
    .createServer((request, response) => response.end(JSON.stringify(document)))
    .listen(Number(process.env.PORT), process.env.HOST);`;

/** Applies the template's next contents, and resolves with their revision once there is an object of it. */
async function apply(version: number): Promise<string> {
  const container = {
    name: 'api',
    image: 'none',
    command: [process.execPath, '-e', program],
    env: [{ name: 'V', value: String(version) }],
  };
  const spec = { containers: [container], upstreamAuth: { mode: 'none' } };
  await world.kube.apply<StackTemplate>(kinds.StackTemplate, { metadata: { name: template }, ...{ spec } }, { fieldManager: 'test' });
  return world.eventually(`a revision of version ${version}`, 30_000, async () => {
    const found = (await revisions()).find((revision) => JSON.stringify(revision.spec.spec).includes(`"value":"${version}"`));
    return found?.spec.revision;
  });
}

async function revisions(): Promise<StackTemplateRevision[]> {
  const { items } = await world.kube.list<StackTemplateRevision>(kinds.StackTemplateRevision);
  return items.filter(({ spec }) => spec.template === template);
}

async function runsVersion(): Promise<string | undefined> {
  const deployment = await world.kube.get(kinds.Deployment, 'stack', { namespace: `tenant-${tenant}` });
  return /"name":"V","value":"(\d+)"/.exec(JSON.stringify(deployment))?.[1];
}

const pin = (revision: string | null) => world.kube.patch(kinds.Tenant, tenant, { spec: { template: { revision } } });
const runs = (revision: string) => world.until(tenant, ({ status }) => status?.template?.revision === revision);

test('each contents of a template is kept as a revision, which a tenant runs that names it', async () => {
  const first = await apply(1);
  const second = await apply(2);
  expect(first).not.toBe(second);
  const applied = await world.kubectl(
    ['apply', '-f', '-'],
    manifest(tenant, { template: { name: template, revision: first }, secrets: { rotationPeriod: '0s' } }),
  );
  expect(applied).toMatchObject({ code: 0 });
  await world.ready(tenant);
  expect(await runsVersion()).toBe('1');
  await pin(null);
  await runs(second);
  expect(await runsVersion()).toBe('2');
  const third = await apply(3);
  await runs(third);
  await pin(first);
  await runs(first);
  expect(await runsVersion()).toBe('1');
});

test('an unknown revision is told of, with those there are', async () => {
  await pin('0000000000');
  const { status } = await world.until(tenant, (current) =>
    (current.status?.conditions ?? []).some(({ type, status: holds }) => type === 'TemplateResolved' && holds === 'False'),
  );
  const { reason, message = '' } = status?.conditions?.find(({ type }) => type === 'TemplateResolved') ?? {};
  expect(reason).toBe('RevisionNotFound');
  for (const { spec } of await revisions()) expect(message).toContain(spec.revision);
  // Its pods go on.
  expect(status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('True');
});

test('the last ten are kept, and those a tenant runs', async () => {
  const [oldest] = (await revisions()).filter(({ spec }) => JSON.stringify(spec.spec).includes('"value":"1"'));
  await pin(oldest?.spec.revision ?? '');
  await runs(oldest?.spec.revision ?? '');
  const made: string[] = [];
  for (let version = 4; version < 15; version++) made.push(await apply(version));
  await world.eventually('fewer revisions', 20_000, async () => ((await revisions()).length === 11 ? true : undefined));
  const left = (await revisions()).map(({ spec }) => spec.revision);
  expect(new Set(left)).toEqual(new Set([oldest?.spec.revision, ...made.slice(-10)]));
});

test('a revision is immutable: the API server refuses another name for it, and changed contents count for nothing', async () => {
  const { metadata, spec } = (await revisions()).find((revision) =>
    JSON.stringify(revision).includes('"value":"5"'),
  ) as StackTemplateRevision;
  await expect(world.kube.patch(kinds.StackTemplateRevision, metadata.name, { spec: { template: 'other' } })).rejects.toThrow(/immutable/);
  await world.kube.patch(kinds.StackTemplateRevision, metadata.name, { spec: { spec: { displayName: 'smuggled' } } });
  await pin(spec.revision);
  await world.until(tenant, ({ status }) =>
    (status?.conditions ?? []).some(({ type, reason }) => type === 'TemplateResolved' && reason === 'RevisionNotFound'),
  );
});
