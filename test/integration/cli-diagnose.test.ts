import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { decodeJwt, SignJWT } from 'jose';
import { parseTarGzip } from 'nanotar';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { annotations, namespaceOf } from '../../crds/names.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { Authority } from '../../local/kubernetes/pki.ts';
import { signIn } from '../../local/sign-in.ts';
import { manifest, mcpOf } from '../customer.ts';
import { logFiles, unlessGone } from '../log-watch.ts';
import { type Member, World } from '../world.ts';
import { CommandLine } from './command-line.ts';
import { diagnose, type Found, paste, stateOf } from './diagnosing.ts';

const world = new World();
const dir = mkdtempSync(join(tmpdir(), 'tenantry-cli-diagnose-'));
const { kubeconfig, adminUrl, adminToken } = world.context;
/** Somebody with a kubeconfig and a control plane. */
const operator = new CommandLine(dir, { KUBECONFIG: kubeconfig, TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken });
/** Somebody with neither. */
const stranger = new CommandLine(dir);

const name = world.name('walk');
const other = world.name('walk');
let url = '';
let member: Member;

beforeAll(async () => {
  const { organizationId, member: first } = await world.organization(name);
  member = first;
  for (const tenant of [name, other])
    await world.kubectl(['apply', '-f', '-'], manifest(tenant, { organizationId, deletionPolicy: 'delete' }));
  url = mcpOf(await world.ready(name));
  await world.ready(other);
});

afterAll(async () => {
  await world.remove(name, other);
  rmSync(dir, { recursive: true, force: true });
});

/** Keeps the operator from repairing what a test breaks, and lets it repair afterwards. */
async function whileBroken(tenant: string, breakIt: () => Promise<unknown>, look: () => Promise<void>): Promise<void> {
  await world.kubectl(['annotate', 'tenant', tenant, `${annotations.reconcile}=paused`]);
  await world.until(
    tenant,
    ({ status }) => status?.conditions?.some(({ type, reason }) => type === 'Stalled' && reason === 'Paused') ?? false,
  );
  try {
    await breakIt();
    await look();
  } finally {
    await world.kubectl(['annotate', 'tenant', tenant, `${annotations.reconcile}-`]);
  }
  await world.ready(tenant);
}

/** A port where nothing listens. */
async function closedPort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((listening) => server.listen(0, listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Runs the commands of a remedy as somebody would who has the operator's kubeconfig and control plane. */
async function followRemedy({ firstBroken }: Found): Promise<string> {
  expect(firstBroken?.commands.length).toBeGreaterThan(0);
  const env = { KUBECONFIG: kubeconfig, TENANTRY_URL: adminUrl, TENANTRY_TOKEN: adminToken };
  let told = '';
  for (const command of firstBroken?.commands ?? []) {
    const { code, stdout, stderr } = await paste(command, dir, env);
    expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: expect.any(String) });
    told += stdout;
  }
  return told;
}

describe('a tenant that works', () => {
  test('has no broken link, seen with everything there is to see', async () => {
    const token = (await signIn(url, member)).accessToken;
    const { code, found } = await diagnose(operator, name, [], { TENANTRY_TENANT_TOKEN: token });
    expect(found.firstBroken).toBeUndefined();
    expect(code).toBe(0);
    expect(stateOf(found)).toMatchObject({
      tenant: 'ok',
      tcp: 'ok',
      route: 'ok',
      pod: 'ok',
      database: 'ok',
      metadata: 'ok',
      'control plane': 'ok',
      token: 'ok',
      handshake: 'ok',
    });
    expect(JSON.stringify(found.steps)).toMatch(/protocol \d{4}-\d\d-\d\d, \d+ tools/);
  });

  test('is looked at from outside alone, and what is not seen is said', async () => {
    const { code, stdout } = await stranger.run(['diagnose', url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^metadata +ok/m);
    expect(stdout).toMatch(/^database +- +not checked: no Tenant tells of it/m);
    expect(stdout).toMatch(/Nothing is broken, as far as could be seen; not checked: .*handshake/);
  });

  test('is looked at by the control plane’s word, without a kubeconfig', async () => {
    const { found } = await diagnose(operator, name, ['--no-cluster']);
    expect(stateOf(found)).toMatchObject({ tenant: 'ok', database: 'ok', token: 'ok', handshake: 'not checked' });
  });

  test('is looked at with a kubeconfig of few rights as far as those go, and what they do not allow is said', async () => {
    const few = join(dirname(kubeconfig), 'control-plane.kubeconfig');
    const { code, found } = await diagnose(operator, name, ['--kubeconfig', few, '--bundle', join(dir, 'few.tar.gz')]);
    expect(code).toBe(0);
    expect(stateOf(found)).toMatchObject({
      tenant: 'ok',
      route: 'ok',
      pod: 'ok',
      database: 'ok',
      metadata: 'ok',
      handshake: 'not checked',
    });
    for (const link of ['route', 'pod'])
      expect(found.steps.find((step) => step.name === link)?.seen.join()).toContain('does not permit it');
    const texts = (await parseTarGzip(readFileSync(join(dir, 'few.tar.gz')))).map(({ text }) => text).join('\n');
    expect(texts).toContain('Pod: ');
  });

  test('is told from one that is not there', async () => {
    const { code, stderr } = await operator.run(['diagnose', world.name('nobody')]);
    expect(code).toBe(3);
    expect(stderr).toContain('Nobody tells where tenant');
  });
});

describe('the first broken link', () => {
  test('is DNS for a host that does not exist', async () => {
    const { code, found } = await diagnose(stranger, 'https://mcp.tenantry.invalid/t/acme/mcp');
    expect(code).toBe(9);
    expect(found.firstBroken).toMatchObject({ name: 'dns', fault: expect.stringContaining('mcp.tenantry.invalid') });
    expect(stateOf(found)).toMatchObject({ tcp: 'not checked', handshake: 'not checked' });
  });

  test('is TCP where nothing listens', async () => {
    const { found } = await diagnose(stranger, `http://localhost:${await closedPort()}/t/acme/mcp`);
    expect(found.firstBroken?.name).toBe('tcp');
  });

  test('is the route where the path leads to no tenant', async () => {
    const wrong = url.replace(name, world.name('nobody'));
    const { found } = await diagnose(stranger, wrong);
    expect(found.firstBroken).toMatchObject({ name: 'route', fault: expect.stringContaining('404') });
  });

  test('is the route where its object is gone', async () => {
    await whileBroken(
      name,
      () => world.kube.delete(kinds.Ingress, 'stack', { namespace: namespaceOf(name) }),
      async () => {
        const { code, found } = await diagnose(operator, name);
        expect(code).toBe(9);
        expect(found.firstBroken).toMatchObject({ name: 'route', fault: expect.stringContaining('neither an Ingress nor an HTTPRoute') });
        expect(JSON.stringify(found.steps)).toContain('reconcile: paused');
        expect(await followRemedy(found)).toContain('Conditions:');
      },
    );
  });

  test('is the tenant itself where it is suspended', async () => {
    expect((await operator.run(['tenants', 'suspend', other, '--wait'])).code).toBe(0);
    const { found } = await diagnose(operator, other);
    expect(found.firstBroken).toMatchObject({ name: 'tenant', commands: [`tenantry tenants resume ${other}`] });
    await followRemedy(found);
    await world.ready(other);
  });

  test('is the pod where none is left, seen in the cluster and from outside', async () => {
    await whileBroken(
      other,
      async () => {
        await world.kube.patch(kinds.Deployment, 'stack', { spec: { replicas: 0 } }, { namespace: namespaceOf(other) });
        await world.eventually('no pod of the tenant', 30_000, async () => {
          const { items } = await world.kube.list<KubeObject>(kinds.Pod, {
            namespace: namespaceOf(other),
            labelSelector: 'app.kubernetes.io/component=stack',
          });
          return items.length === 0 ? true : undefined;
        });
      },
      async () => {
        const inside = await diagnose(operator, other);
        expect(inside.found.firstBroken).toMatchObject({ name: 'pod', fault: expect.stringContaining('replicas: 0') });
        expect(stateOf(inside.found)).toMatchObject({ route: 'ok', metadata: 'not checked' });
        expect(inside.found.firstBroken?.commands).toEqual([
          `kubectl scale --namespace ${namespaceOf(other)} deployment/stack --replicas=1`,
        ]);
        const withoutControlPlane = await diagnose(operator, other, [], { TENANTRY_URL: `http://localhost:${await closedPort()}` });
        expect(withoutControlPlane.found.firstBroken).toEqual(inside.found.firstBroken);
        const outside = await diagnose(stranger, url.replace(name, other));
        expect(outside.found.firstBroken).toMatchObject({ name: 'pod', fault: expect.stringContaining('503') });
      },
    );
  });

  test('is the control plane where it is away; tenants are still looked at', async () => {
    const { code, found } = await diagnose(operator, name, [], { TENANTRY_URL: `http://localhost:${await closedPort()}` });
    expect(code).toBe(9);
    expect(found.firstBroken).toMatchObject({ name: 'control plane', fault: expect.stringContaining('nothing listens there') });
    expect(stateOf(found)).toMatchObject({ pod: 'ok', handshake: 'ok' });
    await followRemedy(found);
  });
});

describe('a client’s token', () => {
  const fault = async (token: string): Promise<string | undefined> => {
    const { found, stdout } = await diagnose(operator, name, [], { TENANTRY_TENANT_TOKEN: token });
    expect(stdout).not.toContain(token);
    expect(found.firstBroken?.name).toBe('token');
    expect(stateOf(found)['handshake']).toBe('ok');
    return found.firstBroken?.fault;
  };
  const forged = (claims: { exp: number; aud: string; iss: string }): Promise<string> =>
    new SignJWT({ sub: member.userId, ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32));
  const { issuer } = world.context.workos;
  const soon = (): number => Math.floor(Date.now() / 1000) + 600;

  test('that has expired is told by when', async () => {
    expect(await fault(await forged({ exp: soon() - 1200, aud: url, iss: issuer }))).toMatch(/has expired 10m ago/);
  });

  test('of another tenant is told by its audience', async () => {
    const elsewhere = url.replace(name, other);
    expect(await fault((await signIn(elsewhere, member)).accessToken)).toBe(`the token is for ${elsewhere}, not for ${url}`);
  });

  test('of another issuer is told by it', async () => {
    expect(await fault(await forged({ exp: soon(), aud: url, iss: 'https://elsewhere.example' }))).toContain(
      'issuer https://elsewhere.example',
    );
  });

  test('that nobody signed is refused by the endpoint', async () => {
    expect(await fault(await forged({ exp: soon(), aud: url, iss: issuer }))).toContain('the token is refused: 401');
  });

  test('of a user who is no member any more is told so', async () => {
    const { spec } = await world.tenant(name);
    const former = await world.member(spec.organizationId ?? '');
    const { accessToken } = await signIn(url, former);
    const { data } = (await world.workos('GET', `/user_management/organization_memberships?user_id=${former.userId}`)) as unknown as {
      data: { id: string }[];
    };
    await world.workos('DELETE', `/user_management/organization_memberships/${data[0]?.id}`);
    // Sidecar and control plane remember a yes for a while.
    const told = await world.eventually('the refusal', 60_000, async () => {
      const { found } = await diagnose(operator, name, [], { TENANTRY_TENANT_TOKEN: accessToken });
      // The answer may change in the midst of a walk.
      return found.firstBroken?.name === 'token' ? found.firstBroken : undefined;
    });
    expect(told).toMatchObject({ name: 'token', fault: expect.stringContaining('may not use the tenant: 403') });
  });

  test('of a member of two organizations is accepted, whichever was chosen at sign-in', async () => {
    const both = await world.member((await world.tenant(name)).spec.organizationId ?? '');
    const { organizationId: elsewhere } = await world.organization(world.name('elsewhere'));
    await world.workos('POST', '/user_management/organization_memberships', {
      user_id: both.userId,
      organization_id: elsewhere,
      role_slug: 'member',
    });
    const chosen = { ...both, organizationId: elsewhere };
    const { accessToken } = await signIn(url, chosen);
    expect(decodeJwt(accessToken)['org_id']).toBe(elsewhere);
    const { found } = await diagnose(operator, name, [], { TENANTRY_TENANT_TOKEN: accessToken });
    expect(stateOf(found)).toMatchObject({ token: 'ok', handshake: 'ok' });
    expect(JSON.stringify(found.steps)).toContain(`signed in to the organization ${elsewhere}`);
  });

  test('that is an API key is told from a broken and a foreign one', async () => {
    const { apiKey = '' } = await world.secret(name, 'tenantry-credentials');
    const { found } = await diagnose(operator, name, [], { TENANTRY_TENANT_TOKEN: apiKey });
    expect(found.firstBroken).toBeUndefined();
    expect(await fault(`${apiKey.slice(0, -1)}${apiKey.endsWith('x') ? 'y' : 'x'}`)).toContain('its checksum does not fit');
    const { apiKey: foreign = '' } = await world.secret(other, 'tenantry-credentials');
    expect(await fault(foreign)).toMatch(/^API key [0-9A-Za-z]{12}: 401/);
  });
});

describe('TLS', () => {
  let server: Server;
  let authority: Authority;
  let port = 0;

  beforeAll(async () => {
    authority = await Authority.open(join(dir, 'pki'), 'ca');
    const { cert, key } = await authority.issue({ commonName: 'localhost', usage: 'server', names: ['localhost'] });
    server = createServer({ cert, key }, (_request, response) => response.writeHead(404).end());
    await new Promise<void>((listening) => server.listen(0, listening));
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => server.close());

  test('of an authority nobody knows is broken until it is made known', async () => {
    const { found } = await diagnose(stranger, `https://localhost:${port}/mcp`);
    expect(found.firstBroken).toMatchObject({ name: 'tls', fault: expect.stringContaining('chain is not trusted') });
    const known = await diagnose(stranger, `https://localhost:${port}/mcp`, ['--ca', authority.certFile]);
    expect(stateOf(known.found)).toMatchObject({ tls: 'ok', route: 'broken' });
  });

  test('for another name is broken', async () => {
    const { found } = await diagnose(stranger, `https://mcp.example.com/mcp`, [
      '--ca',
      authority.certFile,
      '--address',
      `localhost:${port}`,
    ]);
    expect(found.firstBroken).toMatchObject({ name: 'tls', fault: 'the certificate is not for mcp.example.com' });
  });

  test('where plain HTTP is spoken is broken', async () => {
    const { found } = await diagnose(stranger, url.replace('http:', 'https:'));
    expect(found.firstBroken?.name).toBe('tls');
  });
});

/** Stands in every log that a test has made tell secrets. */
const marker = 'told-on-purpose-by-a-test';

/** No log of a whole run may hold a secret: those that were made to are emptied, also where they are kept by another link. */
function emptyMarkedLogs(): void {
  // Those of other tests' pods go while they are looked at.
  for (const file of logFiles(world.context.folder)) {
    unlessGone(() => {
      if (readFileSync(file, 'utf8').includes(marker)) truncateSync(file);
    });
  }
}

test('a bundle holds what is needed to help, and no secret', async () => {
  const namespace = namespaceOf(other);
  const planted = 'Pl4nted-in-env-0123456789';
  try {
    await whileBroken(
      other,
      async () => {
        await world.kube.patch(kinds.Tenant, other, { spec: { containers: { api: { env: [{ name: 'VENDOR', value: planted }] } } } });
        // A program that tells everything it knows, and fails.
        const leak = {
          name: 'api',
          command: [
            process.execPath,
            '-e',
            `console.log('${marker}', JSON.stringify(process.env)); console.log('${marker}', process.env.DATABASE_URL); process.exit(3)`,
          ],
        };
        const { spec } = await world.kube.get<
          KubeObject & { spec: { template: { spec: { initContainers?: { name: string }[]; containers: { name: string }[] } } } }
        >(kinds.Deployment, 'stack', { namespace });
        const pod = spec.template.spec;
        const replaced = (list: { name: string }[] | undefined) =>
          list?.map((container) => (container.name === 'api' ? { ...container, ...leak, args: [] } : container));
        await world.kube.patch(
          kinds.Deployment,
          'stack',
          {
            spec: {
              strategy: { type: 'Recreate', rollingUpdate: null },
              template: { spec: { initContainers: replaced(pod.initContainers) ?? null, containers: replaced(pod.containers) } },
            },
          },
          { namespace },
        );
        await world.until(
          other,
          ({ status }) => status?.conditions?.some(({ type, reason }) => type === 'WorkloadAvailable' && reason === 'CrashLoop') ?? false,
        );
      },
      async () => {
        const file = join(dir, 'bundle.tar.gz');
        const { code, stdout } = await operator.run(['diagnose', other, '--bundle', file]);
        expect(code).toBe(9);
        expect(stdout).toMatch(/First broken link: pod: CrashLoop: container api keeps ending/);
        expect(stdout).toMatch(/container api: .*restarts/);
        expect(stdout).toMatch(/api \| told-on-purpose/);
        expect(statSync(file).mode & 0o777).toBe(0o600);

        const files = await parseTarGzip(readFileSync(file));
        const texts = Object.fromEntries(files.map(({ name: path, text }) => [path.replace('tenantry-diagnose/', ''), text]));
        expect(Object.keys(texts)).toEqual(
          expect.arrayContaining(['walk.json', 'tenant.yaml', 'objects/pods.yaml', 'objects/secrets.yaml', 'events.yaml']),
        );
        expect(Object.keys(texts).some((path) => /^logs\/.*\/api(\.previous)?\.log$/.test(path))).toBe(true);
        expect(texts['tenant.yaml']).toContain('name: toolbridge');
        expect(texts['objects/secrets.yaml']).toContain('tenantry-database');

        // Of all tenants of the run, and those of the installation.
        const kept = await world.kube.listAll<KubeObject & { data?: Record<string, string> }>(kinds.Secret);
        const values = kept.items.flatMap(({ data }) =>
          Object.values(data ?? {})
            .map((value) => Buffer.from(value, 'base64').toString('utf8'))
            // Such as an empty list of keys.
            .filter((value) => value.length > 6),
        );
        const passwords = [...values, world.context.postgresUrl].flatMap((value) => URL.parse(value)?.password || []);
        expect(passwords.length).toBeGreaterThan(0);
        const secrets = [planted, adminToken, world.context.workos.apiKey, ...values, ...passwords];
        expect(secrets.length).toBeGreaterThan(5);
        const everything = `${stdout}\n${Object.values(texts).join('\n')}`;
        for (const secret of secrets) {
          expect(secret.length).toBeGreaterThan(6);
          expect(everything).not.toContain(secret);
          expect(everything).not.toContain(Buffer.from(secret).toString('base64'));
        }
        // The template does not list the variable, so the tenant would be stalled once it is no longer paused.
        await world.kube.patch(kinds.Tenant, other, { spec: { containers: null } });
        // The operator leaves foreign changes alone, and makes anew what is gone.
        await world.kube.delete(kinds.Deployment, 'stack', { namespace });
      },
    );
  } finally {
    // Once the pods are gone, nothing is written any more.
    await world.kube.delete(kinds.Deployment, 'stack', { namespace });
    await world.eventually('the end of the pods that tell secrets', 60_000, async () => {
      const { items } = await world.kube.list<KubeObject & { spec: object }>(kinds.Pod, { namespace });
      const telling = items.filter(({ spec }) => JSON.stringify(spec).includes(marker));
      return telling.length === 0 ? true : undefined;
    });
    emptyMarkedLogs();
  }
  await world.ready(other);
});

test('a file with a token is read, and standard input too', async () => {
  const { apiKey = '' } = await world.secret(name, 'tenantry-credentials');
  const file = join(dir, 'key.txt');
  writeFileSync(file, `${apiKey}\n`, { mode: 0o600 });
  for (const [args, input] of [
    [['--token-file', file], ''],
    [['--token-file', '-'], apiKey],
  ] as const) {
    const { code, stdout } = await stranger.run(['diagnose', url, ...args], { input });
    expect(stdout).toMatch(/^handshake +ok +the token that was given: /m);
    expect(code).toBe(0);
  }
});
