import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../../cli/exit-codes.ts';
import { controlPlane, shared } from '../../problems/catalogue.ts';
import { CommandLine } from '../integration/command-line.ts';

/** What the guide promises scripts: code and meaning. */
const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/command-line.md'), 'utf8');
const documented = new Map([...guide.matchAll(/^\| (\d+) \| (.+) \|$/gm)].map(([, code, meaning = '']) => [Number(code), meaning]));

const tenant = {
  name: 'acme',
  uid: 'u',
  resourceVersion: '1',
  generation: 1,
  createdAt: '2026-11-21T12:00:00Z',
  labels: {},
  spec: { template: { name: 'toolbridge' } },
  status: { phase: 'Pending' },
};
/** What a control plane answers, by path; a number is a problem of that status. */
const answers: Readonly<Record<string, number | object>> = {
  '/admin/tenants': { items: [tenant] },
  '/admin/tenants/acme': tenant,
  '/admin/tenants/acme/suspend': tenant,
  '/admin/tenants/bad': 400,
  '/admin/tenants/nobody': 401,
  '/admin/tenants/forbidden': 403,
  '/admin/tenants/missing': 404,
  '/admin/tenants/taken': 409,
  '/admin/tenants/changed': 412,
  '/admin/tenants/invalid': 422,
  '/admin/tenants/busy': 429,
  '/admin/tenants/broken': 500,
  '/admin/tenants/away': 503,
  '/admin/audit/verify': { verdict: 'broken', ok: false, records: 1, months: [] },
};

const dir = mkdtempSync(join(tmpdir(), 'tenantry-exit-codes-'));
let server: Server;
let who: CommandLine;
let away: CommandLine;

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers[new URL(request.url ?? '/', 'http://x').pathname] ?? 404;
    const status = typeof answer === 'number' ? answer : 200;
    const type = status === 200 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type }).end(JSON.stringify(status === 200 ? answer : { title: 'It is so', status }));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const env = { TENANTRY_TOKEN: 'x' };
  who = new CommandLine(dir, { ...env, TENANTRY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  away = new CommandLine(dir, { ...env, TENANTRY_URL: 'http://127.0.0.1:9' });
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const get = (name: string): string[] => ['tenants', 'get', name];
const cases: readonly (readonly [number, RegExp, string, () => Promise<number | null>])[] = [
  [0, /done/, 'a result', async () => (await who.run(get('acme'))).code],
  [0, /done/, 'a result of the program as a process', async () => (await who.spawned(get('acme'))).code],
  [0, /done/, 'help', async () => (await who.run(['tenants', '--help'])).code],
  [1, /something else/, 'a control plane that fails', async () => (await who.run(get('broken'))).code],
  [2, /wrong/, 'a command that is none', async () => (await who.run(['tenants', 'make'])).code],
  [2, /wrong/, 'an option that is none', async () => (await who.run([...get('acme'), '--nonsense'])).code],
  [2, /wrong/, 'a format that is none', async () => (await who.run([...get('acme'), '--output', 'xml'])).code],
  [3, /not exist/, 'a tenant that is not there', async () => (await who.run(get('missing'))).code],
  [4, /signed in/, 'a token that is refused', async () => (await who.run(get('nobody'))).code],
  [4, /permission/, 'a permission that is lacking', async () => (await who.run(get('forbidden'))).code],
  [5, /conflict/, 'a name that is taken', async () => (await who.run(get('taken'))).code],
  [5, /changed meanwhile/, 'a change meanwhile', async () => (await who.run(get('changed'))).code],
  [6, /does not answer/, 'a control plane that is away', async () => (await away.run(get('acme'))).code],
  [6, /later/, 'a control plane that cannot now', async () => (await who.run(get('away'))).code],
  [6, /later/, 'too many requests', async () => (await who.run(get('busy'))).code],
  [7, /not valid/, 'fields that are not valid', async () => (await who.run(get('invalid'))).code],
  [7, /not valid/, 'a query that is not valid', async () => (await who.run(get('bad'))).code],
  [8, /in time/, 'waiting in vain', async () => (await who.run(['tenants', 'suspend', 'acme', '--wait', '--timeout', '0s'])).code],
  [9, /found a fault/, 'a chain that is broken', async () => (await who.run(['audit', 'verify'])).code],
  [9, /found a fault/, 'a chain that is broken, of the program as a process', async () => (await who.spawned(['audit', 'verify'])).code],
  [130, /Ctrl-C/, 'Ctrl-C', interrupted],
];

async function interrupted(): Promise<number | null> {
  const watching = who.start(['tenants', 'watch']);
  const ended = new Promise<number | null>((end) => watching.on('close', end));
  await new Promise((shown) => watching.stdout.once('data', shown));
  watching.kill('SIGINT');
  return ended;
}

// Some start the program, which takes its time on a busy machine.
describe('the exit code', { timeout: 60_000 }, () => {
  test.each(cases)('%i, %s, is that of %s', async (code, meaning, _what, run) => {
    expect(documented.get(code)).toMatch(meaning);
    expect(await run()).toBe(code);
  });

  test('is one of the documented, each of which is shown above', () => {
    expect([...documented.keys()]).toEqual([...new Set(cases.map(([code]) => code))]);
    expect(Object.values(exitCodes)).toEqual([...documented.keys()]);
  });

  test('of every status the Admin API answers with is shown above', () => {
    const shown = new Set(Object.values(answers).filter((answer) => typeof answer === 'number'));
    // What the command line never sends: bodies, headers, methods and media types of its own making, webhooks.
    const never = new Set([405, 408, 413, 415, 431]);
    const statuses = new Set(Object.values({ ...shared, ...controlPlane }).map(({ status }) => status));
    expect([...statuses].filter((status) => !shown.has(status) && !never.has(status))).toEqual([]);
  });
});
