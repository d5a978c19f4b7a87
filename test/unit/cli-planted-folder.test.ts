import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { localKubeconfig } from '../../cli/config/local-kubeconfig.ts';
import { findLocalMode } from '../../cli/config/local-mode.ts';
import { Outside } from '../../cli/diagnose/outside.ts';
import { CommandLine } from '../integration/command-line.ts';

const uid = process.getuid?.();
const secret = 'token-of-the-environment-0123456789';
let root = '';
/** Where somebody works, two folders below the planted one. */
let below = '';
let state = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantry-planted-'));
  below = join(root, 'project', 'src');
  state = join(root, '.tenantry');
  mkdirSync(below, { recursive: true });
  mkdirSync(state, { mode: 0o700 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function plant(content: object, mode = 0o600): void {
  const file = join(state, 'local.json');
  writeFileSync(file, JSON.stringify(content));
  chmodSync(file, mode);
}

/** A kubeconfig as local mode writes it, with something else in it. */
function kubeconfigWith(change: { cluster?: object; user?: object }, file = join(state, 'admin.kubeconfig')): string {
  const data = Buffer.from('pem').toString('base64');
  const cluster = { server: 'https://127.0.0.1:6443', 'certificate-authority-data': data, ...change.cluster };
  const user = { 'client-certificate-data': data, 'client-key-data': data, ...change.user };
  writeFileSync(
    file,
    stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'local', cluster }],
      users: [{ name: 'admin', user }],
      contexts: [{ name: 'local', context: { cluster: 'local', user: 'admin' } }],
      'current-context': 'local',
    }),
    { mode: 0o600 },
  );
  return file;
}

describe('the record of local mode', () => {
  test('is found in a folder above, where only the user could write it', () => {
    plant({ adminUrl: 'http://localhost:8090', adminToken: 't' });
    expect(findLocalMode(below, uid)).toEqual({
      found: { adminUrl: 'http://localhost:8090', adminToken: 't', folder: state },
      ignored: [],
    });
  });

  test.each([
    ['another user’s', () => plant({ adminUrl: 'http://localhost:8090' }), (uid ?? 0) + 1, /belongs to another user/],
    ['one that others can write', () => plant({ adminUrl: 'http://localhost:8090' }, 0o666), uid, /others than its owner may write it/],
    ['one as a clone or an archive brings it', () => plant({ adminUrl: 'http://localhost:8090' }, 0o644), uid, /may read it/],
    [
      'one in a folder that others can write',
      () => {
        plant({ adminUrl: 'http://localhost:8090' });
        chmodSync(state, 0o777);
      },
      uid,
      /may write it/,
    ],
    [
      'one behind a link',
      () => {
        plant({ adminUrl: 'http://localhost:8090' });
        symlinkSync(state, join(root, 'project', '.tenantry'));
        rmSync(join(state, 'local.json'));
        writeFileSync(join(state, 'local.json'), JSON.stringify({ adminUrl: 'http://localhost:8090' }), { mode: 0o644 });
      },
      uid,
      /symbolic link/,
    ],
    [
      'one that is a link to a file of the user elsewhere',
      () => {
        const elsewhere = join(root, 'elsewhere.json');
        writeFileSync(elsewhere, JSON.stringify({ adminUrl: 'http://localhost:8090' }), { mode: 0o600 });
        symlinkSync(elsewhere, join(state, 'local.json'));
      },
      uid,
      /cannot be read \(ELOOP\)/,
    ],
    ['one of another machine', () => plant({ adminUrl: 'https://tenantry.example.com' }), uid, /not on this machine/],
    ['one whose host only begins like this machine', () => plant({ adminUrl: 'http://127.0.0.1.example.com' }), uid, /not on this machine/],
    ['one with another scheme', () => plant({ adminUrl: 'file://localhost/etc/passwd' }), uid, /not on this machine/],
  ] as const)('is not believed: %s', (_what, make, user, reason) => {
    make();
    const { found, ignored } = findLocalMode(below, user);
    expect(found).toBeUndefined();
    expect(ignored.join('\n')).toMatch(reason);
  });
});

describe('the kubeconfig of local mode', () => {
  const judged = (path: string) => localKubeconfig({ adminUrl: 'http://localhost:8090', kubeconfig: path, folder: state }, uid);

  test('is used as local mode writes it', () => {
    const path = kubeconfigWith({});
    expect(judged(path)).toEqual({ path });
  });

  test.each([
    ['starts a program', () => kubeconfigWith({ user: { exec: { command: 'sh', apiVersion: 'client.authentication.k8s.io/v1' } } })],
    ['starts one by an auth-provider', () => kubeconfigWith({ user: { 'auth-provider': { name: 'gcp', config: { 'cmd-path': 'sh' } } } })],
    ['sends a file', () => kubeconfigWith({ user: { tokenFile: '/etc/passwd' } })],
    ['leads to another machine', () => kubeconfigWith({ cluster: { server: 'https://127.0.0.1.example.com' } })],
    ['leads through a proxy', () => kubeconfigWith({ cluster: { 'proxy-url': 'http://proxy.example.com' } })],
    ['trusts everybody', () => kubeconfigWith({ cluster: { 'insecure-skip-tls-verify': true } })],
    ['lies elsewhere', () => kubeconfigWith({}, join(root, 'elsewhere.kubeconfig'))],
    [
      'is a link to elsewhere',
      () => {
        symlinkSync(kubeconfigWith({}, join(root, 'elsewhere.kubeconfig')), join(state, 'link.kubeconfig'));
        return join(state, 'link.kubeconfig');
      },
    ],
    ['is not there', () => join(state, 'nothing.kubeconfig')],
  ] as const)('is not used where it %s', (_what, make) => {
    expect(judged(make())).toEqual({ because: expect.stringContaining('the kubeconfig of local mode is not used: ') });
  });
});

describe('diagnose', () => {
  const dialOptions = { caFile: undefined, address: undefined };
  const { signal } = new AbortController();

  test.each([
    ['http://mcp.example.com/mcp', dialOptions],
    ['http://127.0.0.1.example.com/mcp', dialOptions],
    ['http://localhost/mcp', { ...dialOptions, address: { host: 'mcp.example.com', port: 80 } }],
  ])('sends no token over plain http to another machine: %s, %j', async (url, how) => {
    const outside = new Outside(url, how, signal);
    await expect(outside.askForTools('a-token')).rejects.toThrow('no token is sent over plain http');
    expect(outside.notSecret).toBeDefined();
  });

  test.each([
    ['https://mcp.example.com/mcp', dialOptions],
    ['http://localhost:8080/mcp', dialOptions],
    ['http://[::1]:8080/mcp', dialOptions],
    ['http://mcp.example.com/mcp', { ...dialOptions, address: { host: '127.0.0.1', port: 80 } }],
  ])('may send one over TLS and within this machine: %s, %j', (url, how) => {
    expect(new Outside(url, how, signal).notSecret).toBeUndefined();
  });
});

describe('the command line in a planted folder', () => {
  let server: Server;
  let url = '';
  const asked: string[] = [];

  beforeEach(async () => {
    asked.length = 0;
    server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"items": []}');
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    url = `http://localhost:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => new Promise((closed) => server.close(closed)));

  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    new CommandLine(root).run(args, { env: { HOME: root, ...env }, folder: below });

  test('sends nothing to the URL that a file of others names, and says that it is not used', async () => {
    plant({ adminUrl: url, adminToken: 'planted' }, 0o644);
    const { code, stderr } = await run(['tenants', 'list'], { TENANTRY_TOKEN: secret });
    expect(code).toBe(2);
    expect(stderr).toContain(`${join(state, 'local.json')} is not used: others than its owner may read it`);
    expect(asked).toEqual([]);
  });

  test('sends the token of the environment to no URL that is only in a file, also where the file is believed', async () => {
    plant({ adminUrl: url });
    const { code } = await run(['tenants', 'list'], { TENANTRY_TOKEN: secret });
    expect(code).toBe(4);
    expect(asked).toEqual([]);
    plant({ adminUrl: url, adminToken: 'of-local-mode' });
    expect((await run(['tenants', 'list'], { TENANTRY_TOKEN: secret })).code).toBe(0);
    expect(asked).toEqual([expect.stringContaining('Bearer of-local-mode')]);
    expect((await run(['tenants', 'list'], { TENANTRY_TOKEN: secret, TENANTRY_URL: url })).code).toBe(0);
    expect(asked.at(-1)).toContain(`Bearer ${secret}`);
  });

  test('starts no program that a planted kubeconfig names', async () => {
    const started = join(root, 'started');
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1',
      command: 'sh',
      args: ['-c', `touch ${started}; echo '{}'`],
      interactiveMode: 'Never',
    };
    const kubeconfig = kubeconfigWith({ user: { exec } });
    plant({ adminUrl: url, adminToken: 't', kubeconfig });
    const { code, stderr } = await run(['diagnose', 'acme']);
    expect(stderr).toContain('cluster: the kubeconfig of local mode is not used: it is not as local mode writes it');
    expect(code).toBe(6);
    expect(existsSync(started)).toBe(false);
    // The same file, named by the user, is believed as kubectl believes it.
    await run(['diagnose', 'acme', '--kubeconfig', kubeconfig]);
    expect(existsSync(started)).toBe(true);
  });

  test.each([
    [{ TENANTRY_URL: 'http://tenantry.example.com', TENANTRY_TOKEN: secret }, ['tenants', 'list'], /TENANTRY_URL must be https/],
    [{}, ['login', 'http://tenantry.example.com'], /The URL must be https/],
    [
      { WORKOS_API_URL: 'http://127.0.0.1.example.com', WORKOS_API_KEY: secret },
      ['workos', 'check', '--client-id', 'c', '--oauth-issuer', 'https://x.example.com'],
      /WORKOS_API_URL must be https/,
    ],
  ] as const)('speaks plain http to nobody but this machine: %j %j', async (env, args, message) => {
    const { code, stderr } = await run(args, env);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
