import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt, SignJWT } from 'jose';
import { afterAll, expect, test } from 'vitest';
import { approveDevice } from '../approve-device.ts';
import { type Member, World } from '../world.ts';
import { CommandLine, type Ran } from './command-line.ts';

const world = new World();
const dir = mkdtempSync(join(tmpdir(), 'tenantry-cli-login-'));
const { adminUrl, adminToken } = world.context;
const platform = String(decodeJwt(adminToken)['org_id']);

afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Runs `login` and does in the browser what a person does there. */
async function signIn(
  who: CommandLine,
  args: readonly string[],
  person: Member,
  choice: { organizationId?: string; decision?: 'allow' | 'deny' } = {},
): Promise<Ran> {
  const running = who.start(['login', ...args]);
  running.stdin.end();
  const said = { out: '', err: '' };
  running.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    said.out += chunk;
  });
  const ended = new Promise<number | null>((end) => running.on('close', end));
  await new Promise<void>((shown) => {
    running.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said.err += chunk;
      if (said.err.includes('Waiting')) shown();
    });
    running.on('close', () => shown());
  });
  const page = /^ {4}(http\S+)$/m.exec(said.err)?.[1];
  if (page !== undefined) await approveDevice(page, { ...person, ...choice });
  return { code: await ended, stdout: said.out, stderr: said.err };
}

const configOf = (
  who: CommandLine,
): {
  path: string;
  read: () => { current: string; contexts: Record<string, { url: string; session?: { accessToken: string; refreshToken: string } }> };
} => {
  const path = join(who.home, '.config', 'tenantry', 'config.json');
  return { path, read: () => JSON.parse(readFileSync(path, 'utf8')) };
};

test('somebody signs in by a browser, is known, works, and signs out', async () => {
  const who = new CommandLine(dir);
  const person = await world.member(platform, 'platform-admin');
  const ran = await signIn(who, [adminUrl, '--name', 'test'], person);
  expect(ran.stderr).toMatch(/confirm the code [A-Z0-9-]+/);
  expect(ran.stdout).toContain(`Signed in at ${adminUrl} as ${person.email}, platform-admin of ${platform}. Context: test`);
  expect(ran.code).toBe(0);

  const { path, read } = configOf(who);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const { accessToken = '', refreshToken = '' } = read().contexts['test']?.session ?? {};
  expect(`${ran.stdout}${ran.stderr}`).not.toContain(accessToken);
  expect(`${ran.stdout}${ran.stderr}`).not.toContain(refreshToken);

  const me = await who.json<{ email: string; organization: string; permissions: string[] }>(['whoami']);
  expect(me.value).toMatchObject({ email: person.email, organization: platform, permissions: expect.arrayContaining(['tenants:write']) });
  expect((await who.run(['tenants', 'list'])).code).toBe(0);
  expect((await who.run(['context', 'list'])).stdout).toMatch(/^\* +test +http/m);

  expect((await who.run(['logout'])).code).toBe(0);
  expect(read().contexts['test']).toEqual({ url: adminUrl });
  expect((await who.run(['tenants', 'list'])).code).toBe(4);
  expect((await who.run(['logout'])).code).toBe(3);
});

test('a session that is about to end is refreshed by itself; one that has ended says so', async () => {
  const who = new CommandLine(dir);
  await signIn(who, [adminUrl], await world.member(platform, 'platform-admin'));
  const { path, read } = configOf(who);
  const config = read();
  const session = config.contexts[config.current]?.session;
  if (session === undefined) throw new Error('nobody is signed in');
  // The same session with a token that ends in half a minute: whoever sends it on would be refused, because nobody signed it.
  const ending = await new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('30s').sign(new Uint8Array(32));
  writeFileSync(
    path,
    JSON.stringify({ ...config, contexts: { [config.current]: { url: adminUrl, session: { ...session, accessToken: ending } } } }),
  );
  expect((await who.run(['tenants', 'list'])).code).toBe(0);
  const refreshed = read().contexts[config.current]?.session;
  expect(refreshed?.accessToken).not.toBe(ending);
  expect(refreshed?.refreshToken).not.toBe(session.refreshToken);

  // The refresh token is spent now.
  writeFileSync(
    path,
    JSON.stringify({ ...config, contexts: { [config.current]: { url: adminUrl, session: { ...session, accessToken: ending } } } }),
  );
  const ended = await who.run(['tenants', 'list']);
  expect(ended.stderr).toMatch(/has ended[\s\S]*tenantry login/);
  expect(ended.code).toBe(4);
});

test('a change of role takes effect without signing in again', async () => {
  const who = new CommandLine(dir);
  const person = await world.member(platform, 'platform-viewer');
  await signIn(who, [adminUrl], person);
  expect((await who.run(['tenants', 'create', world.name('x'), '--template', 'toolbridge', '--dry-run'])).code).toBe(4);
  const path = '/user_management/organization_memberships';
  const { data } = (await world.workos('GET', `${path}?user_id=${person.userId}`)) as unknown as { data: { id: string }[] };
  await world.workos('PUT', `${path}/${data[0]?.id}`, { role_slug: 'platform-admin' });
  await world.eventually('the new role', 60_000, async () => {
    const { code } = await who.run(['tenants', 'create', world.name('x'), '--template', 'toolbridge', '--dry-run']);
    return code === 0 ? true : undefined;
  });
});

test('a member of several organizations chooses one, on the page or by its id', async () => {
  const who = new CommandLine(dir);
  const person = await world.member(platform, 'platform-admin');
  const { organizationId } = await world.organization(world.name('second'));
  await world.workos('POST', '/user_management/organization_memberships', {
    user_id: person.userId,
    organization_id: organizationId,
    role_slug: 'tenant-admin',
  });
  await signIn(who, [adminUrl], person, { organizationId: platform });
  expect((await who.json<{ organization: string }>(['whoami'])).value.organization).toBe(platform);
  const other = await signIn(who, ['--organization', organizationId], person, { organizationId: platform });
  expect(other.code).toBe(0);
  expect((await who.json<{ organization: string }>(['whoami'])).value.organization).toBe(organizationId);
  const foreign = await signIn(who, ['--organization', 'org_01NOBODYS'], person, { organizationId: platform });
  expect(foreign.stderr).toContain('You are no active member of this organization.');
  expect(foreign.code).toBe(4);
});

test('a refusal in the browser is told', async () => {
  const who = new CommandLine(dir);
  const ran = await signIn(who, [adminUrl], await world.member(platform, 'platform-admin'), { decision: 'deny' });
  expect(ran).toMatchObject({ code: 4, stdout: '', stderr: expect.stringContaining('was refused in the browser') });
});

test('a URL that is no control plane is told, and Ctrl-C gives up', async () => {
  const who = new CommandLine(dir);
  const tenant = await who.run(['login', world.context.routerUrl]);
  expect(tenant.stderr).toContain('Give the URL of the control plane');
  expect(tenant.code).toBe(1);
  const waiting = who.start(['login', adminUrl]);
  const ended = new Promise<number | null>((end) => waiting.on('close', end));
  await new Promise<void>((shown) => {
    let said = '';
    waiting.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
      if (said.includes('Waiting')) shown();
    });
  });
  waiting.kill('SIGINT');
  expect(await ended).toBe(130);
});

test('local mode is found by itself, in its folder and below, and only where nothing else is configured', async () => {
  const who = new CommandLine(dir);
  mkdirSync(join(who.home, '.tenantry'));
  writeFileSync(join(who.home, '.tenantry', 'local.json'), JSON.stringify({ adminUrl, adminToken, kubeconfig: world.context.kubeconfig }), {
    mode: 0o600,
  });
  expect((await who.run(['whoami'])).stdout).toMatch(/^Control plane: +http\S+ \(local mode\)$/m);
  const elsewhere = await who.run(['whoami'], { env: { TENANTRY_URL: 'http://127.0.0.1:9' } });
  expect(elsewhere.code).toBe(4);
  expect(elsewhere.stderr).toContain('http://127.0.0.1:9');
});
