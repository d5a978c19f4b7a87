import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ApiKeyRecord } from '../../../../crds/api-keys.ts';
import { databaseNames, otherLogin } from '../../../../crds/names.ts';
import type { Tenant } from '../../../../crds/tenant.ts';
import type { KubeClient } from '../../../../kube/client.ts';
import { KubeError } from '../../../../kube/errors.ts';
import type { KubeObject, Resource } from '../../../../kube/resources.ts';
import type { DatabaseServer } from '../../../../operator/database/server.ts';
import { ensureSecrets, type SecretsState } from '../../../../operator/secrets/ensure-secrets.ts';
import { dueRotation, nextRotation, rotationStatus } from '../../../../operator/secrets/rotation.ts';
import { finish, retire, rotationStep, switchLogin } from '../../../../operator/secrets/rotation-steps.ts';
import { SecretStore } from '../../../../operator/secrets/stored-secret.ts';
import type { Context } from '../../../../operator/tenant/context.ts';
import { currentSecrets } from '../../../../operator/tenant/current-secrets.ts';
import { template, tenant } from '../../gen.ts';

const hour = 3_600_000;
const start = Date.parse('2026-01-01T00:00:00Z');
const stack = template({ secrets: [{ name: 'token', bytes: 32 }] }).spec;

/** The operator ends in the middle of something. */
class Killed extends Error {}

/** Secrets and login roles as API server and PostgreSQL keep them, a tenant's pods, and an operator that can be killed after any write. */
class World {
  readonly secrets = new Map<string, { resourceVersion: number; data: Record<string, string>; annotations: Record<string, string> }>();
  /** Passwords; undefined for a role that may not log in. */
  readonly roles = new Map<string, string | undefined>();
  /** What each pod was started with. */
  pods: { fingerprint: string; login: string; password: string; token: string }[] = [];
  now = start;
  owner: Tenant;
  writes = 0;
  reads = 0;
  killAfter = Number.POSITIVE_INFINITY;

  constructor() {
    const made = tenant(
      { secrets: { overlap: '24h', rotationPeriod: '2160h' } },
      { server: { name: 's', version: '1', protocolVersions: [], tools: 1 } },
    );
    this.owner = { ...made, metadata: { ...made.metadata, creationTimestamp: '2026-01-01T00:00:00Z' } };
  }

  request(value: string): void {
    this.owner = { ...this.owner, metadata: { ...this.owner.metadata, annotations: { 'tenantry.dev/rotate': value } } };
  }

  #write(change: () => void): void {
    if (this.writes >= this.killAfter) throw new Killed();
    this.writes++;
    change();
    this.check();
  }

  readonly client = {
    find: async (_resource: Resource, name: string, { metadataOnly = false }: { metadataOnly?: boolean } = {}) => {
      if (!metadataOnly) this.reads++;
      return this.#object(name);
    },
    create: async (_resource: Resource, object: KubeObject & { stringData: Record<string, string> }) => {
      this.#write(() => {
        const annotations = { ...object.metadata.annotations };
        this.secrets.set(object.metadata.name, { resourceVersion: 1, data: { ...object.stringData }, annotations });
      });
      return this.#object(object.metadata.name);
    },
    patch: async (
      _resource: Resource,
      name: string,
      patch: { metadata: { resourceVersion: string; annotations: Record<string, string | null> }; data: Record<string, string | null> },
    ) => {
      const found = this.secrets.get(name);
      if (!found) throw new KubeError(404, 'NotFound', 'gone');
      if (String(found.resourceVersion) !== patch.metadata.resourceVersion) throw new KubeError(409, 'Conflict', 'changed');
      this.#write(() => {
        found.resourceVersion++;
        merge(found.data, patch.data, (text) => Buffer.from(text, 'base64').toString());
        merge(found.annotations, patch.metadata.annotations, (text) => text);
      });
      return this.#object(name);
    },
  } as unknown as KubeClient;

  readonly server = {
    name: 'default',
    urlOf: (_names: unknown, login: string, password: string) => `postgres://${login}:${password}@db/x`,
    ensure: async (_names: unknown, login: string, password: string) => {
      if (this.roles.get(login) !== password) this.#write(() => this.roles.set(login, password));
    },
    lock: async (login: string) => this.#write(() => this.roles.set(login, undefined)),
  } as unknown as DatabaseServer;

  #object(name: string): object | undefined {
    const found = this.secrets.get(name);
    if (!found) return undefined;
    const data = Object.fromEntries(Object.entries(found.data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
    return { metadata: { name, resourceVersion: String(found.resourceVersion), annotations: found.annotations }, data };
  }

  /** What must hold at every moment: each pod gets into its database, finds its secret, and every key that was handed out is valid. */
  check(): void {
    for (const { login, password } of this.pods) expect(this.roles.get(login)).toBe(password);
    const values = Object.values(this.secrets.get('tenantry-generated')?.data ?? {});
    for (const { token } of this.pods) expect(values).toContain(token);
    if (this.pods.length === 0) return;
    const { apiKey = '', probeKey = '' } = this.secrets.get('tenantry-credentials')?.data ?? {};
    for (const key of [apiKey, probeKey]) expect(this.validKeys()).toContain(createHash('sha256').update(key).digest('hex'));
  }

  validKeys(): string[] {
    const records = JSON.parse(this.secrets.get('tenantry-api-keys')?.data['keys.json'] ?? '[]') as ApiKeyRecord[];
    return records.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > this.now).map(({ sha256 }) => sha256);
  }

  /** One pass of the operator over the tenant's secrets, with the cluster's part of a rolling update: one pod at a time. */
  async pass(): Promise<'idle' | 'busy'> {
    const { signal } = new AbortController();
    const store = new SecretStore(this.client, this.owner, signal);
    const wanted = (): Parameters<typeof ensureSecrets>[0] => ({
      tenant: this.owner,
      template: stack,
      server: this.server,
      keys: [],
      now: new Date(this.now),
    });
    let state = await ensureSecrets(wanted(), store);
    if (state.login)
      await this.server.ensure(databaseNames(this.owner.metadata.uid ?? ''), state.login.username, state.login.password, signal);
    if (state.staged) {
      await switchLogin(this.owner, this.server, store, signal);
      state = await ensureSecrets(wanted(), store);
    }
    const rolled = this.pods.length === 2 && this.pods.every(({ fingerprint }) => fingerprint === state.fingerprint);
    const step = rotationStep(state, rolled, new Date(this.now));
    if (step === 'finish') await finish(this.owner, store, new Date(this.now), () => {});
    if (step === 'retire') await retire(this.owner, this.server, store, new Date(this.now), signal);
    if (step === undefined && rolled) {
      this.owner = { ...this.owner, status: { ...this.owner.status, secrets: rotationStatus(this.owner, state.rotation) } };
      return 'idle';
    }
    if (!rolled) this.#roll(state);
    return 'busy';
  }

  #roll(state: SecretsState): void {
    const old = this.pods.findIndex(({ fingerprint }) => fingerprint !== state.fingerprint);
    if (old >= 0) this.pods.splice(old, 1);
    const token = this.secrets.get('tenantry-generated')?.data[state.generatedKeys['token'] ?? ''] ?? '';
    const { username: login = '', password = '' } = state.login ?? {};
    this.pods.push({ fingerprint: state.fingerprint, login, password, token });
    this.check();
  }

  /** Passes until nothing is left to do; an operator that is killed is started again. Resolves with how often it was. */
  async settle(): Promise<number> {
    let kills = 0;
    for (let passes = 0; passes < 50; passes++) {
      try {
        if ((await this.pass()) === 'idle') return kills;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        kills++;
        this.killAfter = Number.POSITIVE_INFINITY;
      }
    }
    throw new Error('it does not come to rest');
  }

  values(): Record<string, string> {
    return Object.fromEntries(
      [...this.secrets].flatMap(([name, { data }]) => Object.entries(data).map(([key, value]) => [`${name}/${key}`, value])),
    );
  }
}

function merge(into: Record<string, string>, patch: Record<string, string | null>, decode: (text: string) => string): void {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete into[key];
    else into[key] = decode(value);
  }
}

async function settledWorld(): Promise<World> {
  const world = new World();
  await world.settle();
  return world;
}

describe('a rotation', () => {
  /** The writes of a whole rotation, to its end after the overlap. */
  async function writesOfOne(): Promise<number> {
    const world = await settledWorld();
    const before = world.writes;
    world.request('now');
    await world.settle();
    world.now += 25 * hour;
    await world.settle();
    return world.writes - before;
  }

  test('comes to the same end wherever the operator is killed, and at no moment is a value in use invalid', async () => {
    const writes = await writesOfOne();
    expect(writes).toBeGreaterThan(8);
    for (let kill = 0; kill < writes; kill++) {
      const world = await settledWorld();
      const before = world.values();
      const login = before['tenantry-database/username'] ?? '';
      world.killAfter = world.writes + kill;
      world.request('now');
      let kills = await world.settle();
      const during = world.values();
      for (const key of [
        'tenantry-credentials/apiKey',
        'tenantry-credentials/probeKey',
        'tenantry-database/password',
        'tenantry-database/url',
      ])
        expect(during[key], key).not.toBe(before[key]);
      expect(during['tenantry-database/username']).toBe(otherLogin(login));
      expect(world.owner.status?.secrets).toMatchObject({ rotationRequest: 'now', lastRotation: '2026-01-01T00:00:00Z' });
      // Until the overlap is over, what was replaced is valid too.
      const sha256 = createHash('sha256')
        .update(before['tenantry-credentials/apiKey'] ?? '')
        .digest('hex');
      expect(world.validKeys()).toContain(sha256);
      expect(world.roles.get(login)).toBe(before['tenantry-database/password']);
      world.now += 25 * hour;
      kills += await world.settle();
      expect(world.validKeys()).not.toContain(sha256);
      expect(world.roles.get(login)).toBeUndefined();
      expect(Object.keys(world.values()).filter((key) => key.startsWith('tenantry-generated/'))).toHaveLength(1);
      expect(kills, `killed after ${kill} writes`).toBe(1);
      const rested = world.writes;
      await world.settle();
      expect(world.writes).toBe(rested);
    }
  });

  test('that is asked for again and again keeps the keys of the last twenty, or the Secret had no room for the next', async () => {
    const world = await settledWorld();
    const keys: string[] = [];
    for (let count = 0; count < 25; count++) {
      keys.push(world.values()['tenantry-credentials/apiKey'] ?? '');
      world.request(`request ${count}`);
      world.now += 60_000;
      await world.settle();
    }
    const valid = keys.map((key) => world.validKeys().includes(createHash('sha256').update(key).digest('hex')));
    expect(valid).toEqual([...Array(5).fill(false), ...Array(20).fill(true)]);
  });

  test('that is asked for again in the overlap of the last one ends that of the database early, and of the keys not', async () => {
    const world = await settledWorld();
    const first = world.values();
    world.request('one');
    await world.settle();
    const second = world.values();
    world.now += hour;
    world.request('two');
    await world.settle();
    expect(world.values()['tenantry-database/username']).toBe(first['tenantry-database/username']);
    for (const before of [first, second]) {
      const key = before['tenantry-credentials/apiKey'] ?? '';
      expect(world.validKeys()).toContain(createHash('sha256').update(key).digest('hex'));
    }
    expect(world.roles.get(second['tenantry-database/username'] ?? '')).toBe(second['tenantry-database/password']);
    expect(world.roles.get(first['tenantry-database/username'] ?? '')).not.toBe(first['tenantry-database/password']);
  });

  test.each(['tenantry-credentials', 'tenantry-database', 'tenantry-generated', 'tenantry-api-keys'])(
    'survives the loss of %s in the middle',
    async (lost) => {
      const world = await settledWorld();
      world.request('now');
      // The operator has begun: the next pass would make the first new pod.
      await world.pass();
      // What the pods have is lost with it; that is the loss, not the rotation.
      world.pods = [];
      world.secrets.delete(lost);
      await world.settle();
      world.now += 25 * hour;
      await world.settle();
      expect(world.owner.status?.secrets?.rotationRequest).toBe('now');
      expect([...world.roles.values()].filter((password) => password !== undefined)).toHaveLength(1);
    },
  );
});

describe('the sweep', () => {
  test('reads no Secret that is as it was, and mends one that is not', async () => {
    const world = new World();
    const told: string[][] = [];
    const context = {
      client: world.client,
      apiKeys: () => [],
      memory: { secrets: new Map(), keys: new Map() },
      now: () => new Date(world.now),
      random: () => 0.5,
      children: { podsOf: () => [] },
      events: { record: async () => {} },
      audit: { rotated: () => {}, secretsRead: (_tenant: object, secrets: string[]) => told.push(secrets) },
    } as unknown as Context;
    const namespace = { metadata: { name: 'tenant-acme', uid: 'n', creationTimestamp: '2026-01-01T00:00:00Z' } };
    const pass = () => currentSecrets(world.owner, stack, namespace, world.server, context, new AbortController().signal);
    const first = await pass();
    // What was made in this pass was not read.
    expect(told).toEqual([]);
    const { reads, writes } = world;
    for (let sweep = 0; sweep < 10; sweep++) {
      world.now += 10 * 60_000;
      expect(await pass()).toBe(first);
    }
    expect([world.reads, world.writes]).toEqual([reads, writes]);

    const file = world.secrets.get('tenantry-api-keys');
    if (!file) throw new Error('no file of keys');
    const before = file.data['keys.json'];
    Object.assign(file, { data: { 'keys.json': '[]' }, resourceVersion: file.resourceVersion + 1 });
    world.now += 10 * 60_000;
    expect((await pass()).fingerprint).toBe(first.fingerprint);
    expect(world.secrets.get('tenantry-api-keys')?.data['keys.json']).toBe(before);
    expect(told).toHaveLength(1);
    expect(told[0]).toEqual(expect.arrayContaining(['tenantry-credentials', 'tenantry-database']));

    world.secrets.delete('tenantry-database');
    world.now += 10 * 60_000;
    expect((await pass()).fingerprint).not.toBe(first.fingerprint);
    expect(world.secrets.has('tenantry-database')).toBe(true);
  });
});

describe('when secrets are rotated', () => {
  const served = { server: { name: 's', version: '1', protocolVersions: [], tools: 1 } };
  const made = (secrets: object | undefined, annotations: Record<string, string> = {}, status: object = served): Tenant => {
    const owner = tenant(secrets ? { secrets } : {}, status);
    return { ...owner, metadata: { ...owner.metadata, creationTimestamp: '2026-01-01T00:00:00Z', annotations } };
  };
  const at = (days: number): Date => new Date(start + days * 24 * hour);

  test.each<[string, Tenant, Parameters<typeof dueRotation>[1], number, object | undefined]>([
    ['not long before ninety days, where nothing is said', made(undefined), {}, 85, undefined],
    ['after ninety days', made(undefined), {}, 90, {}],
    ['ninety days after the last', made(undefined), { last: '2026-02-01T00:00:00Z' }, 90, undefined],
    ['as often as the tenant says', made({ rotationPeriod: '24h', overlap: '1h' }), {}, 1, {}],
    ['never by time with a period of zero', made({ rotationPeriod: '0s' }), {}, 10_000, undefined],
    ['at once when somebody asks', made(undefined, { 'tenantry.dev/rotate': 'x' }), {}, 0, { request: 'x' }],
    ['once for each request', made(undefined, { 'tenantry.dev/rotate': 'x' }), { request: 'x' }, 0, undefined],
    ['not while one is under way', made(undefined, { 'tenantry.dev/rotate': 'y' }), { current: { id: 'a', began: '' } }, 0, undefined],
    ['not before the tenant has served', made(undefined, { 'tenantry.dev/rotate': 'x' }, {}), {}, 0, undefined],
    [
      'not again because the Secret that knew was lost',
      made(
        undefined,
        { 'tenantry.dev/rotate': 'x' },
        { ...served, secrets: { rotationRequest: 'x', lastRotation: '2026-03-01T00:00:00Z' } },
      ),
      {},
      100,
      undefined,
    ],
  ])('%s', (_what, owner, rotation, days, expected) => {
    expect(dueRotation(owner, rotation, at(days))).toEqual(expected);
  });

  test('the status says when the next one is', () => {
    const daily = made({ rotationPeriod: '24h', overlap: '1h' });
    const next = nextRotation(daily, { last: '2026-01-03T00:00:00Z' }) ?? 0;
    expect(next).toBeGreaterThan(at(2.94).getTime());
    expect(next).toBeLessThanOrEqual(at(3).getTime());
    expect(nextRotation(daily, { last: '2026-01-03T00:00:00Z' })).toBe(next);
    const { nextRotation: told = '' } = rotationStatus(daily, {}) ?? {};
    expect(Date.parse(told)).toBe(Math.floor((nextRotation(daily, {}) ?? 0) / 1000) * 1000);
  });

  test('tenants that were made together are not rotated together', () => {
    const times = Array.from({ length: 100 }, (_, index) => {
      const owner = made(undefined);
      return nextRotation({ ...owner, metadata: { ...owner.metadata, uid: `uid-${index}` } }, {}) ?? 0;
    });
    expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(3 * 24 * hour);
  });
});
