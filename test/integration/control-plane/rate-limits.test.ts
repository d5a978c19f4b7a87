import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CircuitBreaker } from '../../../control-plane/concurrency/circuit-breaker.ts';
import { SharedLimit } from '../../../control-plane/http/shared-limit.ts';
import { Store } from '../../../control-plane/store/store.ts';
import { eventually } from '../../eventually.ts';
import { Gate } from '../../gate.ts';
import { type StoreServer, startStore } from './store-server.ts';

/** A minute, in which no test counts a caller anew. */
const minuteMs = 60_000;
const log = pino({ level: 'silent' });
const ended = new AbortController();
const stores: Store[] = [];
const working: Promise<void>[] = [];
let dir: string;
let server: StoreServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tenantry-rate-limits-'));
  await chmod(dir, 0o711);
  server = await startStore(dir, 'shared');
});

afterAll(async () => {
  ended.abort();
  await Promise.all(working);
  await Promise.all(stores.map((store) => store.close()));
  await server.postgres.stop();
  await rm(dir, { recursive: true });
});

interface Replica {
  readonly store: Store;
  readonly limit: SharedLimit;
}

/** The limit as one replica of the control plane has it. */
async function replica(name: string, perMinute: number, url = server.storeUrl): Promise<Replica> {
  const store = new Store({ url, log, connections: 2 });
  stores.push(store);
  working.push(store.run(ended.signal));
  await eventually('the tables exist', async () => store.migrated);
  const breaker = new CircuitBreaker({ now: () => performance.now(), random: Math.random });
  return { store, limit: new SharedLimit({ name, perMinute, pool: store.counters, breaker }) };
}

const rows = ({ store }: Replica) => store.db.selectFrom('rate_limits').select(['key', 'points']).orderBy('key').execute();

/** Statements that a replica has sent to the database since `before`. */
function countStatements({ store }: Replica): () => number {
  const { counters } = store;
  const query = counters.query.bind(counters) as (...values: unknown[]) => unknown;
  let sent = 0;
  Object.assign(counters, {
    query: (...values: unknown[]) => {
      sent += 1;
      return query(...values);
    },
  });
  return () => sent;
}

describe('a limit of two replicas', () => {
  test('counts requests at both together', async () => {
    const [one, other] = [await replica('both', 5), await replica('both', 5)];
    const left: number[] = [];
    for (const { limit } of [one, other, other, one, other]) {
      const count = await limit.count('anna');
      expect(count.exceeded).toBe(false);
      left.push(count.remaining);
    }
    expect(left).toEqual([4, 3, 2, 1, 0]);
    for (const { limit } of [one, other]) {
      const { exceeded, remaining, seconds } = await limit.count('anna');
      expect([exceeded, remaining]).toEqual([true, 0]);
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(60);
    }
    expect((await one.limit.count('bert')).remaining).toBe(4);
  });

  test('admits exactly the limit of requests at the same time', async () => {
    const replicas = [await replica('at-once', 50), await replica('at-once', 50)];
    const counts = await Promise.all(Array.from({ length: 120 }, (_, n) => replicas[n % 2]?.limit.count('anna')));
    expect(counts.filter((count) => count?.exceeded === false).length).toBe(50);
  });

  test('begins again after its minute', async () => {
    const one = await replica('again', 3);
    for (let sent = 0; sent < 3; sent++) await one.limit.count('anna');
    await one.store.db
      .updateTable('rate_limits')
      .set({ expire: String(Date.now() - 1) })
      .where('key', '=', 'again:anna')
      .execute();
    expect(await one.limit.count('anna')).toMatchObject({ exceeded: false, remaining: 2 });
  });

  test('sends one statement for a request, and none for a caller above the limit', async () => {
    const one = await replica('statements', 4);
    const sent = countStatements(one);
    for (let n = 0; n < 5; n++) await one.limit.count('anna');
    expect(sent()).toBe(5);
    for (let n = 0; n < 20; n++) expect((await one.limit.count('anna')).exceeded).toBe(true);
    expect(sent()).toBe(5);
  });
});

test('expired counts are removed, and those of the present minute stay', async () => {
  const one = await replica('removed', 3);
  await one.limit.count('old');
  await one.store.db
    .updateTable('rate_limits')
    .set({ expire: String(Date.now() - minuteMs) })
    .where('key', '=', 'removed:old')
    .execute();
  await one.limit.count('new');
  await one.store.removeExpiredCounts();
  expect((await rows(one)).filter(({ key }) => key.startsWith('removed:'))).toEqual([{ key: 'removed:new', points: 1 }]);
});

test('while the database hangs, each replica counts alone and soon without waiting; then both count together again', async () => {
  const url = new URL(server.storeUrl);
  const gate = new Gate(Number(url.port));
  url.port = String(await gate.listen());
  const [behind, direct] = [await replica('hangs', 5, url.href), await replica('hangs', 5)];
  try {
    expect((await behind.limit.count('anna')).remaining).toBe(4);
    gate.hang();
    const alone: number[] = [];
    for (let n = 0; n < 5; n++) alone.push((await behind.limit.count('anna')).remaining);
    expect(alone).toEqual([4, 3, 2, 1, 0]);
    expect((await behind.limit.count('anna')).exceeded).toBe(true);
    expect((await direct.limit.count('anna')).remaining).toBe(3);
    gate.reopen();
    let asked = 0;
    await eventually('both count together', async () => {
      const caller = `bert-${asked++}`;
      await direct.limit.count(caller);
      return (await behind.limit.count(caller)).remaining === 3;
    });
  } finally {
    gate.stop();
  }
});
