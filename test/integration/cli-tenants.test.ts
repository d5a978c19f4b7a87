import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { statusWith } from '../customer.ts';
import { World } from '../world.ts';
import { CommandLine } from './command-line.ts';

const world = new World();
const dir = mkdtempSync(join(tmpdir(), 'tenantry-cli-tenants-'));
const { adminUrl, adminToken } = world.context;
const admin = new CommandLine(dir, { TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken });
const name = world.name('cli');

interface Shown {
  readonly name: string;
  readonly spec: Record<string, unknown>;
  readonly status: { readonly phase?: string; readonly endpoints?: { readonly mcp: string } };
  readonly labels: Record<string, string>;
}

let url = '';

beforeAll(async () => {
  const { code, stdout, stderr } = await admin.run([
    'tenants',
    'create',
    name,
    '--template',
    'toolbridge',
    '--label',
    'made-by=cli',
    '--data',
    'delete',
    '--wait',
  ]);
  expect(stderr).toMatch(/^DatabaseReady +True/m);
  expect(stderr).toMatch(/^Verified +True +HandshakeSucceeded/m);
  expect(stdout).toMatch(new RegExp(`^${name} +toolbridge +Ready +True +\\d+s +http`, 'm'));
  expect(code).toBe(0);
  url = (await world.tenant(name)).status?.endpoints?.mcp ?? '';
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('tenants', () => {
  test('are listed, by label too, in each format', async () => {
    const asTable = await admin.run(['tenants', 'list', '-l', `made-by=cli`]);
    expect(asTable.stdout).toMatch(/^NAME +TEMPLATE +PHASE +READY +AGE +ENDPOINT\n/);
    expect(asTable.stdout).toContain(name);
    expect(asTable.stdout).not.toContain('\u001b');
    const asJson = await admin.json<Shown[]>(['tenants', 'list', '--template', 'toolbridge']);
    expect(asJson.value.map((tenant) => tenant.name)).toContain(name);
    const asYaml = await admin.run(['tenants', 'list', '-l', 'made-by=nobody', '-o', 'yaml']);
    expect(parse(asYaml.stdout)).toEqual([]);
  });

  test('are shown with their conditions', async () => {
    const { stdout } = await admin.run(['tenants', 'get', name]);
    expect(stdout).toMatch(new RegExp(`^Name: +${name}$`, 'm'));
    expect(stdout).toMatch(/^Verified +True +HandshakeSucceeded/m);
    const { value } = await admin.json<Shown>(['tenants', 'get', name]);
    expect(value).toMatchObject({ name, labels: { 'made-by': 'cli' }, status: { phase: 'Ready' } });
  });

  test('are changed field by field and by file; a dry run stores nothing', async () => {
    expect((await admin.json<Shown>(['tenants', 'update', name, '--set', 'displayName=Dry', '--dry-run'])).value.spec).toMatchObject({
      displayName: 'Dry',
    });
    expect((await world.tenant(name)).spec.displayName).toBeUndefined();
    expect((await admin.run(['tenants', 'update', name, '--set', 'displayName=Acme Inc.'])).code).toBe(0);
    expect((await world.tenant(name)).spec.displayName).toBe('Acme Inc.');
    expect((await admin.run(['tenants', 'update', name, '-f', '-'], { input: 'displayName: null\nlabels: {tier: gold}\n' })).code).toBe(0);
    const { metadata, spec } = await world.tenant(name);
    expect(spec.displayName).toBeUndefined();
    expect(metadata.labels).toMatchObject({ tier: 'gold', 'made-by': 'cli' });
  });

  test('are connected to: what to paste', async () => {
    const { stdout } = await admin.run(['tenants', 'connect', name, '--client', 'claude-code']);
    expect(stdout).toContain(`claude mcp add --transport http ${name} ${url}`);
    expect(stdout).not.toContain('mcpServers');
  });

  test('are suspended and resumed, and rotated', async () => {
    expect((await admin.run(['tenants', 'suspend', name, '--wait'])).stdout).toMatch(/Suspended/);
    expect(await statusWith(url)).toBe(503);
    expect((await admin.run(['tenants', 'resume', name, '--wait'])).code).toBe(0);
    expect(await statusWith(url)).toBe(401);
    const rotated = await admin.run(['tenants', 'rotate', name, '--wait']);
    expect(rotated.stderr).toContain(`The secrets of ${name} have been replaced.`);
    expect((await world.tenant(name)).status?.secrets?.lastRotation).toBeDefined();
  });

  test('are watched: each change is a line, until Ctrl-C', async () => {
    const watching = admin.start(['tenants', 'watch', name, '--output', 'json']);
    const lines: { type: string; tenant: Shown }[] = [];
    let rest = '';
    watching.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      const whole = (rest + chunk).split('\n');
      rest = whole.pop() ?? '';
      lines.push(...whole.map((line) => JSON.parse(line) as { type: string; tenant: Shown }));
    });
    const ended = new Promise<number | null>((end) => watching.on('close', end));
    await world.eventually('the tenant as it is', 20_000, async () => lines.find(({ type }) => type === 'added'));
    await admin.run(['tenants', 'update', name, '--set', 'displayName=Watched']);
    await world.eventually('the change', 20_000, async () =>
      lines.find(({ type, tenant }) => type === 'changed' && tenant.spec['displayName'] === 'Watched'),
    );
    watching.kill('SIGINT');
    expect(await ended).toBe(130);
  });
});

describe('what goes wrong', () => {
  test.each([
    [
      'a name that is not there',
      ['tenants', 'get', 'no-such-tenant'],
      {},
      3,
      /No tenant named no-such-tenant was found[\s\S]*tenantry tenants list/,
    ],
    ['a name that is taken', ['tenants', 'create', name, '--template', 'toolbridge'], {}, 5, /exists/],
    [
      'faults, each with its pointer',
      ['tenants', 'create', 'Bad_Name', '--template', 'nothing', '-p', 'x=1'],
      {},
      7,
      /\/name {2}[\s\S]*\/template\/name {2}is not the name of a StackTemplate/,
    ],
    ['nobody signed in', ['tenants', 'list'], { TENANTRY_TOKEN: '' }, 4, /tenantry login/],
    ['a token that is none', ['tenants', 'list'], { TENANTRY_TOKEN: 'nonsense' }, 4, /Sign in again/],
    ['a control plane that is away', ['tenants', 'list'], { TENANTRY_URL: 'http://127.0.0.1:9' }, 6, /does not answer/],
    ['no control plane at all', ['tenants', 'list'], { TENANTRY_URL: '', TENANTRY_TOKEN: '' }, 2, /No control plane is configured/],
    ['a deletion that does not say what becomes of the data', ['tenants', 'delete', name], {}, 2, /--data retain[\s\S]*--data delete/],
    ['a time that is none', ['tenants', 'create', 'x', '--timeout', 'soon'], {}, 2, /90s, 5m or 1h/],
    ['a file that is not there', ['tenants', 'create', '-f', '/nonexistent.yaml'], {}, 2, /ENOENT/],
  ] as const)('is told: %s', async (_what, args, env, code, message) => {
    const ran = await admin.run(args, { env });
    expect(ran.stderr).toMatch(message);
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).not.toContain(adminToken);
  });

  test('waiting ends when its time is over, and says what is missing', async () => {
    const slow = world.name('cli-slow');
    const manifest = JSON.stringify({
      apiVersion: 'tenantry.dev/v1alpha1',
      kind: 'Tenant',
      metadata: { name: slow, labels: { from: 'file' } },
      spec: { template: { name: 'toolbridge' }, deletionPolicy: 'delete' },
    });
    const { code, stderr } = await admin.run(['tenants', 'create', '-f', '-', '--wait', '--timeout', '0s'], { input: manifest });
    expect(stderr).toMatch(new RegExp(`Tenant ${slow} is not Ready within 0 s[\\s\\S]*tenantry diagnose ${slow}`));
    expect(code).toBe(8);
    expect((await world.tenant(slow)).metadata.labels).toMatchObject({ from: 'file' });
    const deleted = await admin.run(['tenants', 'delete', slow, '--data', 'delete', '--wait']);
    expect(deleted.stderr).toContain(`${slow} is gone; its data was deleted.`);
    expect(deleted.code).toBe(0);
  });
});

test('services are switched', async () => {
  const { value } = await admin.json<{ name: string; enabled: boolean }[]>(['services', 'list', name]);
  const [first] = value;
  if (first === undefined) throw new Error('the template has no services');
  const off = await admin.json<{ enabled: boolean }>(['services', first.enabled ? 'disable' : 'enable', name, first.name]);
  expect(off.value.enabled).toBe(!first.enabled);
  expect((await world.tenant(name)).spec.services).toMatchObject({ [first.name]: !first.enabled });
});

test('what another manager owns is told with what to type, and taken over by force', async () => {
  const domain = `flux.${name}.example.com`;
  const manifest = {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'Tenant',
    metadata: { name },
    spec: { suspended: false, domains: [domain], services: { comments: true } },
  };
  const applied = await world.kubectl(
    ['apply', '--server-side', '--force-conflicts', '--field-manager', 'flux', '-f', '-'],
    JSON.stringify(manifest),
  );
  expect(applied).toMatchObject({ code: 0 });
  for (const command of [
    ['tenants', 'suspend', name],
    ['services', 'disable', name, 'comments'],
    ['domains', 'remove', name, domain],
    ['tenants', 'update', name, '--set', 'services.comments=false'],
  ]) {
    const refused = await admin.run(command);
    expect(refused).toMatchObject({
      code: 5,
      stdout: '',
      stderr: expect.stringMatching(/flux manages [\s\S]*or force the change/),
    });
  }
  expect(await admin.run(['services', 'disable', name, 'comments', '--force'])).toMatchObject({ code: 0 });
  expect(await admin.run(['domains', 'remove', name, domain, '--force'])).toMatchObject({ code: 0 });
  expect(await admin.run(['tenants', 'suspend', name, '--force'])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('is being suspended'),
  });
  const { spec } = await world.tenant(name);
  expect(spec).toMatchObject({ suspended: true, services: { comments: false } });
  expect(spec.domains ?? []).toEqual([]);
  expect((await admin.run(['tenants', 'resume', name, '--wait'])).code).toBe(0);
});

test('an empty list is told in words to people, and as one to programs', async () => {
  const none = await admin.run(['tenants', 'list', '-l', 'made-by=nobody']);
  expect(none).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('There is no such tenant') });
  expect((await admin.json<unknown[]>(['domains', 'list', name])).value).toEqual([]);
});

test('API keys are made, shown once, listed and revoked', async () => {
  const made = await admin.run(['keys', 'create', name, '--name', 'ci', '--scope', 'mcp:read', '--expires', '90d']);
  const key = made.stdout.trim();
  expect(key).toMatch(/^tnt_/);
  await world.eventually('the key to work', 30_000, async () => ((await statusWith(url, key)) === 200 ? true : undefined));
  const listed = await admin.json<{ id: string; name: string; expiresAt: string }[]>(['keys', 'list', name]);
  const ci = listed.value.find((one) => one.name === 'ci');
  expect(Date.parse(ci?.expiresAt ?? '')).toBeGreaterThan(Date.now() + 89 * 86_400_000);
  expect(listed.stdout).not.toContain(key);
  expect((await admin.run(['keys', 'revoke', name, ci?.id ?? ''])).code).toBe(0);
  await world.eventually('the key to be refused', 30_000, async () => ((await statusWith(url, key)) === 401 ? true : undefined));
  expect((await admin.run(['keys', 'create', name, '--name', 'x', '--scope', 'everything'])).code).toBe(2);
});

test('domains are added with the record that proves them, and removed', async () => {
  const domain = `${name}.example.com`;
  expect((await admin.run(['domains', 'add', name, domain])).code).toBe(0);
  const listed = await world.eventually('the record', 30_000, async () => {
    const { stdout } = await admin.run(['domains', 'list', name]);
    return stdout.includes('tenantry=') ? stdout : undefined;
  });
  expect(listed).toContain(`_tenantry-challenge.${domain}  TXT`);
  expect((await admin.run(['domains', 'remove', name, domain])).code).toBe(0);
  expect((await world.tenant(name)).spec.domains ?? []).not.toContain(domain);
});

test('templates are listed, shown and applied', async () => {
  expect((await admin.run(['templates', 'list'])).stdout).toMatch(/^toolbridge +[0-9a-f]{10}/m);
  const { value } = await admin.json<{ spec: object }>(['templates', 'get', 'toolbridge']);
  const copy = join(dir, 'template.json');
  writeFileSync(
    copy,
    JSON.stringify({
      apiVersion: 'tenantry.dev/v1alpha1',
      kind: 'StackTemplate',
      metadata: { name: world.name('copy') },
      spec: value.spec,
    }),
  );
  const applied = await admin.run(['templates', 'apply', '-f', copy, '--dry-run']);
  expect(applied.stderr).toContain('Nothing was stored');
  expect(applied.code).toBe(0);
  expect((await admin.run(['templates', 'revisions', 'toolbridge'])).stdout).toMatch(/^[0-9a-f]{10} +yes/m);
});

test('the audit is listed, exported and verified without the control plane', async () => {
  const { value } = await admin.json<{ action: string; tenant: { name: string } }[]>([
    'audit',
    'list',
    '--tenant',
    name,
    '--action',
    'tenants.create',
  ]);
  expect(value.length).toBeGreaterThan(0);
  expect(value[0]).toMatchObject({ action: 'tenants.create', tenant: { name } });
  expect((await admin.run(['audit', 'verify', '--tenant', name])).code).toBe(0);
  const file = join(dir, 'audit.jsonl');
  expect((await admin.run(['audit', 'export', '--tenant', name, '--file', file])).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const offline = { env: { TENANTRY_URL: 'http://127.0.0.1:9' } };
  const whole = await admin.run(['audit', 'verify', file], offline);
  expect(whole.stdout).toMatch(/Verdict: +Intact/);
  expect(whole.code).toBe(0);
  // The export has only this tenant, and does not pass for more. A range without records is not verified.
  expect(whole.stdout).toMatch(new RegExp(`Scope: +${name}, the first month to the time of the export`));
  const more = await admin.run(['audit', 'verify', file, '--tenant', 'another'], offline);
  expect(more).toMatchObject({ code: 9, stdout: expect.stringContaining(`the export has only the chains of ${name}`) });
  const unseen = await admin.run(['audit', 'verify', '--tenant', name, '--from', '2020-01', '--to', '2020-02']);
  expect(unseen).toMatchObject({ code: 3, stdout: expect.stringContaining('NOTHING CHECKED') });
  writeFileSync(file, readFileSync(file, 'utf8').replace('"tenants.create"', '"tenants.delete"'));
  const broken = await admin.run(['audit', 'verify', file], offline);
  expect(broken.stdout).toContain('BROKEN');
  expect(broken.code).toBe(9);
});

test('the tenant is deleted, and its data with it', async () => {
  const { database } = (await world.tenant(name)).status ?? {};
  expect((await admin.run(['tenants', 'delete', name, '--data', 'delete', '--wait'])).code).toBe(0);
  expect((await admin.run(['tenants', 'get', name])).code).toBe(3);
  expect(await world.query('SELECT 1 FROM pg_database WHERE datname = $1', [database?.name])).toEqual([]);
});
