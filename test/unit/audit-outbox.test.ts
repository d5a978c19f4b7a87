import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DeadLetters, deadLetterFile } from '../../audit/dead-letters.ts';
import { RecordsRefused, refusedIn, SendLater } from '../../audit/delivery.ts';
import { Outbox, type OutboxOptions } from '../../audit/outbox.ts';
import { newRecordId } from '../../audit/record.ts';

interface Entry {
  readonly id: string;
  readonly text?: string;
}

let dir: string;
const warnings: object[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-outbox-'));
  warnings.length = 0;
});

afterEach(() => rmSync(dir, { recursive: true }));

const open = (options: Pick<OutboxOptions<Entry>, 'send'>) =>
  new Outbox<Entry>({ dir, now: () => 0, lingerMs: 1, log: { warn: (fields) => warnings.push(fields), error: () => {} }, ...options });

function fill(outbox: Outbox<Entry>, count: number): string[] {
  return Array.from({ length: count }, () => {
    const id = newRecordId();
    outbox.append({ id, text: 'some text' });
    return id;
  });
}

const idsOf = (records: readonly Entry[]) => records.map(({ id }) => id);

describe('an outbox', () => {
  test('retries a failed batch and stops without losing a record', async () => {
    const received: string[] = [];
    const done = Promise.withResolvers<void>();
    let attempts = 0;
    const outbox = open({
      send: async (records) => {
        attempts += 1;
        if (attempts === 2) throw new Error('away');
        received.push(...idsOf(records));
        if (received.length === 4) done.resolve();
        return [];
      },
    });
    const stop = new AbortController();
    const running = outbox.run(stop.signal);
    const ids = fill(outbox, 2);
    while (received.length < 2) await new Promise((resolve) => setImmediate(resolve));
    ids.push(...fill(outbox, 2));
    await done.promise;
    stop.abort();
    await running;
    expect(received).toEqual(ids);
    expect(warnings.length).toBe(1);
    const last = fill(outbox, 2);
    await outbox.drain(AbortSignal.timeout(5_000));
    expect(received).toEqual([...ids, ...last]);
    await outbox.close();
  });

  test('waits as long as the receiver asks', async () => {
    const attempts: number[] = [];
    const stop = new AbortController();
    const received: string[] = [];
    const outbox = open({
      send: async (records) => {
        attempts.push(performance.now());
        if (attempts.length === 1) throw new SendLater('enough', 1_500);
        received.push(...idsOf(records));
        stop.abort();
        return [];
      },
    });
    const ids = fill(outbox, 2);
    await outbox.run(stop.signal);
    expect(received).toEqual(ids);
    expect((attempts[1] ?? 0) - (attempts[0] ?? 0)).toBeGreaterThan(1_490);
  });

  test('keeps unsent records for the next process', async () => {
    const first = open({ send: () => Promise.reject(new Error('away')) });
    const ids = fill(first, 3);
    await first.drain(AbortSignal.timeout(5_000));
    expect(warnings.length).toBe(1);
    await first.close();
    const received: string[] = [];
    const second = open({
      send: async (records) => {
        received.push(...idsOf(records));
        return [];
      },
    });
    expect((await second.oldest())?.id).toBe(ids[0]);
    await second.drain(AbortSignal.timeout(5_000));
    expect(received).toEqual(ids);
    await second.close();
  });
});

describe('dead letters', () => {
  test('are kept up to 1 MiB, counted beyond it, and not sent again', async () => {
    const record = { id: 'x', text: 'ü'.repeat(30_000) };
    const first = new DeadLetters<typeof record>(dir, () => 0);
    const kept = Array.from({ length: 12 }, () => first.add(record, 'no'));
    const second = new DeadLetters<typeof record>(dir, () => 0);
    kept.push(...Array.from({ length: 12 }, () => second.add(record, 'no')));
    expect(kept).toEqual(Array.from({ length: 24 }, (_, index) => index < 17));
    expect([first.count, second.count]).toEqual([12, 12]);
    const file = join(dir, deadLetterFile);
    expect(statSync(file).size).toBeLessThanOrEqual(1024 * 1024);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(
      readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(Array.from({ length: 17 }, () => ({ time: '1970-01-01T00:00:00.000Z', reason: 'no', record })));
    const received: string[] = [];
    const outbox = open({
      send: async (records) => {
        received.push(...idsOf(records));
        return [];
      },
    });
    const ids = fill(outbox, 1);
    await outbox.drain(AbortSignal.timeout(5_000));
    expect(received).toEqual(ids);
    await outbox.close();
  });

  test('are counted when the folder is gone', () => {
    const letters = new DeadLetters<Entry>(join(dir, 'nowhere'), () => 0);
    expect(letters.add({ id: 'x' }, 'no')).toBe(false);
    expect(letters.count).toBe(1);
  });
});

describe("the control plane's answer", () => {
  const answer = (status: number, retryAfter?: string, text = '{}') => ({ status, retryAfter, text });

  test('names the refused records', () => {
    const refused = [{ id: 'a', message: '/time must be later' }];
    expect(refusedIn(answer(200, undefined, JSON.stringify({ accepted: 1, refused })))).toEqual(refused);
    expect(refusedIn(answer(200))).toEqual([]);
  });

  test.each([400, 413, 422])('%i refuses the batch', (status) => {
    expect(() => refusedIn(answer(status))).toThrow(RecordsRefused);
  });

  test.each([
    ['7', 7_000],
    [undefined, 5_000],
    ['Wed, 21 Oct 2015 07:28:00 GMT', 5_000],
    ['-1', 5_000],
  ])('429 with Retry-After %s delays the next attempt by %i ms', (retryAfter, afterMs) => {
    expect(() => refusedIn(answer(429, retryAfter))).toThrow(expect.objectContaining({ name: 'SendLater', afterMs }));
  });

  test('is an error without its text when it is anything else', () => {
    expect(() => refusedIn(answer(503))).toThrow(/^the control plane answered 503$/);
    expect(() => refusedIn(answer(200, undefined, '<html>secret'))).toThrow(/^the control plane did not answer with JSON$/);
  });
});
