import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createProgram, run } from '../../cli/program.ts';
import { recorder } from './recorder.ts';

const tenant = {
  name: 'acme',
  uid: 'u',
  resourceVersion: '1',
  generation: 1,
  createdAt: '2026-11-21T12:00:00Z',
  labels: {},
  spec: { template: { name: 'toolbridge' } },
  status: { phase: 'Ready', endpoints: { mcp: 'http://localhost/t/acme/mcp' } },
  events: [],
};
const domain = { domain: 'mcp.acme.com', state: 'Pending', message: 'x', record: { name: 'n', type: 'TXT', value: 'v' } };
const key = { id: '3mX9aQ7bK2Lp', name: 'ci', scopes: ['mcp'], createdAt: tenant.createdAt };
const template = { name: 'toolbridge', revision: 'a', createdAt: tenant.createdAt, spec: { containers: [] } };
const record = { time: tenant.createdAt, actor: 'user_1', action: 'tenants.create', outcome: 'ok' };
const month = { chain: 'platform', month: '2026-11', state: 'intact', records: 1, signedThrough: 1 };

/** What a control plane answers, by method and path. */
const answers: Readonly<Record<string, object>> = {
  'GET /admin/tenants': { items: [tenant] },
  'POST /admin/tenants': tenant,
  'GET /admin/tenants/acme': tenant,
  'PATCH /admin/tenants/acme': tenant,
  'DELETE /admin/tenants/acme': tenant,
  'POST /admin/tenants/acme/suspend': tenant,
  'POST /admin/tenants/acme/resume': tenant,
  'POST /admin/tenants/acme/rotate': { rotationRequest: tenant.createdAt, tenant },
  'GET /admin/tenants/acme/connect': { mcp: 'x', clients: [{ client: 'curl', where: 'a shell', text: 'curl' }] },
  'GET /admin/tenants/acme/services': { items: [{ name: 'notes', enabled: true, default: true }] },
  'PUT /admin/tenants/acme/services/notes': { name: 'notes', enabled: true, default: true },
  'GET /admin/tenants/acme/domains': { items: [domain] },
  'POST /admin/tenants/acme/domains': domain,
  'POST /admin/tenants/acme/domains/mcp.acme.com/verify': domain,
  'DELETE /admin/tenants/acme/domains/mcp.acme.com': {},
  'GET /admin/tenants/acme/api-keys': { items: [key] },
  'POST /admin/tenants/acme/api-keys': { ...key, key: 'tnt_x' },
  'DELETE /admin/tenants/acme/api-keys/3mX9aQ7bK2Lp': {},
  'GET /admin/templates': { items: [template] },
  'GET /admin/templates/toolbridge': template,
  'PUT /admin/templates/toolbridge': template,
  'GET /admin/templates/toolbridge/revisions': { items: [{ revision: 'a', current: true, createdAt: tenant.createdAt }] },
  'GET /admin/audit': { items: [record] },
  'GET /admin/audit/verify': { verdict: 'intact', ok: true, records: 1, months: [month] },
};

/** Every command, with arguments that make it succeed. */
const commands: Readonly<Record<string, readonly string[]>> = {
  'tenants create': ['acme', '--template', 'toolbridge'],
  'tenants list': [],
  'tenants get': ['acme'],
  'tenants connect': ['acme'],
  'tenants update': ['acme', '--set', 'displayName=x'],
  'tenants delete': ['acme', '--data', 'retain'],
  'tenants suspend': ['acme'],
  'tenants resume': ['acme'],
  'tenants rotate': ['acme'],
  'services list': ['acme'],
  'services enable': ['acme', 'notes'],
  'services disable': ['acme', 'notes'],
  'domains list': ['acme'],
  'domains add': ['acme', 'mcp.acme.com'],
  'domains verify': ['acme', 'mcp.acme.com'],
  'domains remove': ['acme', 'mcp.acme.com'],
  'keys list': ['acme'],
  'keys create': ['acme', '--name', 'ci'],
  'keys revoke': ['acme', '3mX9aQ7bK2Lp'],
  'templates list': [],
  'templates get': ['toolbridge'],
  'templates apply': ['-f', '-'],
  'templates revisions': ['toolbridge'],
  'audit list': [],
  'audit verify': [],
  whoami: [],
  logout: [],
  'context list': [],
  'context use': ['other'],
  'context remove': ['other'],
};
/** Commands whose output has tests of its own: two that go on until Ctrl-C or a browser, one with its own format, those at WorkOS. */
const elsewhere = ['tenants watch', 'login', 'audit export', 'workos check', 'workos setup', 'diagnose'];

const dir = mkdtempSync(join(tmpdir(), 'tenantry-formats-'));
let server: Server;
let url = '';
let accessToken = '';

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[`${request.method} ${new URL(request.url ?? '/', 'http://x').pathname}`];
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  accessToken = await new SignJWT({ sub: 'user_1', org_id: 'org_1', permissions: [] })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(new Date('2126-01-01T00:00:00Z'))
    .sign(new Uint8Array(32));
});
beforeEach(restore);

/** Signed in, with a second context. */
function restore(): void {
  const session = { accessToken, refreshToken: 'r', workosUrl: 'https://api.workos.com', clientId: 'client_1' };
  mkdirSync(join(dir, 'tenantry'), { recursive: true });
  writeFileSync(
    join(dir, 'tenantry', 'config.json'),
    JSON.stringify({ current: 'here', contexts: { here: { url, session }, other: { url: 'https://other.example.com' } } }),
  );
}

afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

function leaves(command: Command, path: readonly string[] = []): string[] {
  const here = command.parent === null ? path : [...path, command.name()];
  return command.commands.length === 0 ? [here.join(' ')] : command.commands.flatMap((child) => leaves(child, here));
}

async function ran(name: string, format: string) {
  const { terminal, written } = recorder({ XDG_CONFIG_HOME: dir });
  const input = async () => JSON.stringify({ kind: 'StackTemplate', metadata: { name: 'toolbridge' }, spec: {} });
  const args = [...name.split(' '), ...(commands[name] ?? []), '--output', format];
  return { outcome: await run({ ...terminal, input }, args), ...written };
}

test('every command is here or has a test of its own', () => {
  expect(leaves(createProgram(recorder().terminal)).sort()).toEqual([...Object.keys(commands), ...elsewhere].sort());
});

describe.each(Object.keys(commands))('%s', (name) => {
  test('writes one document of JSON and of YAML, and both say the same', async () => {
    const asJson = await ran(name, 'json');
    expect(asJson).toMatchObject({ outcome: 'ok', out: expect.stringMatching(/\n$/) });
    const value: unknown = JSON.parse(asJson.out);
    expect(value).toBeTypeOf('object');
    const kept = JSON.stringify(value);
    // What it changed of the contexts is as it was before.
    restore();
    const asYaml = await ran(name, 'yaml');
    const documents = parseAllDocuments(asYaml.out);
    expect(documents).toHaveLength(1);
    expect(JSON.stringify(documents[0]?.toJS())).toBe(kept);
  });

  test('tells people something, without control characters', async () => {
    const { outcome, out, err } = await ran(name, 'table');
    expect(outcome).toBe('ok');
    expect(out + err).toMatch(/\w/);
    expect(out + err).not.toContain('\u001b');
  });
});
