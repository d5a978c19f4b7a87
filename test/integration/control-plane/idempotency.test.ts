import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Idempotency, type Repeatable } from '../../../control-plane/idempotency/idempotency.ts';
import { Store } from '../../../control-plane/store/store.ts';
import type { StoredAnswer } from '../../../control-plane/store/tables/idempotency.ts';
import { Problem } from '../../../problems/problem.ts';
import { Gate } from '../../gate.ts';
import { type AuditStore, silent, startAuditStore } from './audit/store.ts';

let postgres: AuditStore;
let gate: Gate;
/** Reaches the database through the gate, each time by connections that were not lost before. */
let gated: Store;
let gatedUrl: URL;
/** Another replica's, always connected. */
let other: Store;
const stopping = new AbortController();
/** Where the database is lost as soon as such a statement is sent to it. */
let lostAt: string | undefined;

beforeAll(async () => {
  postgres = await startAuditStore();
  other = await postgres.open();
  gatedUrl = new URL(postgres.url);
  gate = new Gate(Number(gatedUrl.port), (text) => {
    if (lostAt !== undefined && text.includes(lostAt)) gate.shut();
  });
  gatedUrl.port = String(await gate.listen());
});

beforeEach(() => {
  gated = new Store({ url: gatedUrl.href, log: silent, connections: 5 });
});

afterEach(async () => {
  lostAt = undefined;
  gate.reopen();
  await gated.close();
});

afterAll(async () => {
  stopping.abort();
  gate.stop();
  await postgres.stop();
});

const over = ({ db }: Store) => new Idempotency({ db, log: silent, now: () => new Date(), signal: stopping.signal });
const newRequest = (): Repeatable => ({ caller: 'org_1/user_1', key: randomUUID(), body: { name: 'acme' } });
const made: StoredAnswer = { status: 201, headers: {}, body: { name: 'acme' } };
const claimOf = ({ key }: Repeatable) =>
  other.db.selectFrom('idempotency_keys').select(['answer', 'locked_until']).where('key', '=', key).executeTakeFirst();

/** Makes a claim run out so many seconds from now. */
const runOut = ({ key }: Repeatable, seconds: number) =>
  other.db
    .updateTable('idempotency_keys')
    .set({ locked_until: sql<Date>`now() + make_interval(secs => ${seconds})` })
    .where('key', '=', key)
    .execute();

async function refusal(answering: Promise<unknown>): Promise<Problem> {
  const error = await answering.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Problem)) throw new Error('It is not refused.', { cause: error });
  return error;
}

describe('an idempotency key of a request that failed with the database', () => {
  const lost = new Error('The database is gone.');

  test.each([
    ['while it was worked on', undefined],
    ['after it had been claimed', 'select "attempt"'],
  ])('is free when the database is back: %s', async (_when, statement) => {
    const [first, request] = [over(gated), newRequest()];
    lostAt = statement;
    const answering = first.answer(request, async () => {
      gate.shut();
      throw lost;
    });
    await expect(answering).rejects.toThrow(statement === undefined ? lost : /./);
    expect((await claimOf(request))?.answer).toBeNull();
    expect((await refusal(over(other).answer(request, async () => made))).code).toBe('idempotency-in-progress');

    lostAt = undefined;
    gate.reopen();
    await expect.poll(() => claimOf(request), { timeout: 30_000 }).toBeUndefined();
    expect(await over(other).answer(request, async () => made)).toEqual({ ...made, replayed: false });
  });

  test('is free although its answer was not stored', async () => {
    const [first, request] = [over(gated), newRequest()];
    lostAt = 'update "idempotency_keys"';
    expect(await first.answer(request, async () => made)).toEqual({ ...made, replayed: false });
    lostAt = undefined;
    gate.reopen();
    await expect.poll(() => claimOf(request), { timeout: 30_000 }).toBeUndefined();
  });

  test('is not released when another request has claimed it', async () => {
    const [first, taken, left] = [over(gated), newRequest(), newRequest()];
    const bothBegun = Promise.withResolvers<void>();
    let begun = 0;
    const failing = [taken, left].map((request) =>
      first.answer(request, async () => {
        if (++begun === 2) bothBegun.resolve();
        await bothBegun.promise;
        gate.shut();
        throw lost;
      }),
    );
    for (const { status } of await Promise.allSettled(failing)) expect(status).toBe('rejected');
    await runOut(taken, 0);
    const ending = Promise.withResolvers<StoredAnswer>();
    const begunAgain = Promise.withResolvers<void>();
    const second = over(other).answer(taken, () => {
      begunAgain.resolve();
      return ending.promise;
    });
    await begunAgain.promise;

    gate.reopen();
    // They are released together.
    await expect.poll(() => claimOf(left), { timeout: 30_000 }).toBeUndefined();
    expect((await claimOf(taken))?.answer).toBeNull();
    ending.resolve(made);
    expect(await second).toEqual({ ...made, replayed: false });
    expect((await claimOf(taken))?.answer).toEqual(made);
  });
});

test('Retry-After of a request in progress grows from one second', async () => {
  const [idempotency, request] = [over(other), newRequest()];
  const [begun, ending] = [Promise.withResolvers<void>(), Promise.withResolvers<StoredAnswer>()];
  const first = idempotency.answer(request, () => {
    begun.resolve();
    return ending.promise;
  });
  await begun.promise;
  const seconds = async () => {
    const { code, message, remedy, headers } = await refusal(idempotency.answer(request, async () => made));
    expect(code).toBe('idempotency-in-progress');
    expect(message).toContain('is in progress, or it ended and its answer was not stored');
    expect(remedy).toContain(headers['retry-after'] === '1' ? 'in a second' : `in ${headers['retry-after']} seconds`);
    return Number(headers['retry-after']);
  };
  const begunAt = Date.now();
  expect(await seconds()).toBeLessThanOrEqual(Math.max(1, Math.ceil((Date.now() - begunAt) / 1000) + 1));
  await runOut(request, 50);
  expect(await seconds()).toBeGreaterThanOrEqual(10);
  await runOut(request, 5);
  expect(await seconds()).toBeLessThanOrEqual(5);
  // Clocks that were set back must not make anybody wait.
  await runOut(request, 3_600);
  expect(await seconds()).toBe(1);
  ending.resolve(made);
  expect((await first).replayed).toBe(false);
  expect(await idempotency.answer(request, async () => made)).toEqual({ ...made, replayed: true });
});
