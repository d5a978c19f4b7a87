import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Clock, WorkQueue } from '../../../kube/work-queue.ts';

/** Time that moves only when told to. */
class FakeClock implements Clock {
  #now = 0;
  #timers: { due: number; callback: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  after(ms: number, callback: () => void): () => void {
    const timer = { due: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  advance(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter((timer) => timer.due <= this.#now).sort((a, b) => a.due - b.due);
    this.#timers = this.#timers.filter((timer) => timer.due > this.#now);
    for (const timer of due) timer.callback();
  }
}

const never = new AbortController().signal;

describe('the work queue', () => {
  test('holds a key once however often it is added', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    queue.add('a');
    queue.add('b');
    expect(queue.depth).toBe(2);
    expect(await queue.take(never)).toBe('a');
    expect(await queue.take(never)).toBe('b');
    expect(queue.depth).toBe(0);
  });

  test('handles a key once more when it was added during its handling, and not at the same time', async () => {
    const queue = new WorkQueue();
    queue.add('a');
    await queue.take(never);
    queue.add('a');
    queue.add('a');
    expect(queue.depth).toBe(0);
    queue.done('a');
    expect(queue.depth).toBe(1);
  });

  test('doubles the delay with each failure up to the limit, and starts anew once forgotten', () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock, random: () => 0.5, baseDelayMs: 100, maxDelayMs: 500 });
    expect([queue.retry('a'), queue.retry('a'), queue.retry('a'), queue.retry('a')]).toEqual([100, 200, 400, 500]);
    queue.forget('a');
    expect(queue.retry('a')).toBe(100);
  });

  test('keeps the earlier of two delays, and an immediate add ends the wait', () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', 100);
    queue.addAfter('a', 1000);
    clock.advance(100);
    expect(queue.depth).toBe(1);
    queue.addAfter('b', 100);
    queue.add('b');
    expect(queue.depth).toBe(2);
    clock.advance(1000);
    expect(queue.depth).toBe(2);
  });

  test('ends its workers when told to, after what is under way', async () => {
    const queue = new WorkQueue();
    const stop = new AbortController();
    const handled: string[] = [];
    const { promise: release, resolve } = Promise.withResolvers<void>();
    const { promise: started, resolve: onStarted } = Promise.withResolvers<void>();
    const running = queue.run(
      2,
      async (key) => {
        onStarted();
        await release;
        handled.push(key);
        return undefined;
      },
      stop.signal,
    );
    queue.add('a');
    await started;
    stop.abort();
    resolve();
    await running;
    expect(handled).toEqual(['a']);
  });

  test('tries a key again after its handler threw, ever later, until it succeeds', async () => {
    const clock = new FakeClock();
    const failures: [string, unknown, number][] = [];
    const queue = new WorkQueue({ clock, random: () => 0.5, baseDelayMs: 100, onFailure: (...failure) => failures.push(failure) });
    const stop = new AbortController();
    const outcomes = [
      Promise.reject(new Error('first')),
      Promise.reject(new Error('second')),
      Promise.resolve(1000),
      Promise.resolve(undefined),
    ];
    for (const outcome of outcomes) outcome.catch(() => {});
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    let handled = 0;
    const running = queue.run(
      1,
      () => {
        const outcome = outcomes[handled++] ?? Promise.resolve(undefined);
        if (handled === outcomes.length) finish();
        // The next attempt is due only once the queue has noted this one.
        setImmediate(() => clock.advance(1000));
        return outcome;
      },
      stop.signal,
    );
    queue.add('a');
    await finished;
    expect(failures.map(([key, error, again]) => [key, (error as Error).message, again])).toEqual([
      ['a', 'first', 100],
      ['a', 'second', 200],
    ]);
    expect(queue.failures('a')).toBe(0);
    stop.abort();
    await running;
  });

  test('has delays of a tenth of a second up to five minutes', () => {
    const queue = new WorkQueue({ clock: new FakeClock(), random: () => 0.5 });
    expect(queue.retry('a')).toBe(100);
    for (let i = 0; i < 20; i++) queue.retry('a');
    expect(queue.retry('a')).toBe(300_000);
    expect(queue.failures('a')).toBe(22);
    expect(queue.failures('b')).toBe(0);
  });

  test.each([0, -1])('adds a key at once after %i milliseconds', (ms) => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    queue.addAfter('a', ms);
    expect(queue.depth).toBe(1);
  });

  test('keeps the time since which a key waits when it is added again', async () => {
    const clock = new FakeClock();
    const observed: object[] = [];
    const queue = new WorkQueue({ clock, observe: (event) => observed.push(event) });
    const stop = new AbortController();
    clock.advance(1_000);
    queue.add('a');
    clock.advance(2_000);
    queue.add('a');
    clock.advance(3_000);
    await queue.run(
      1,
      async () => {
        clock.advance(500);
        stop.abort();
        return undefined;
      },
      stop.signal,
    );
    expect(observed).toEqual([{ key: 'a', waitedSeconds: 5, workedSeconds: 0.5 }]);
  });

  test('handles a key again after the delay that its handler asks for', async () => {
    const clock = new FakeClock();
    const queue = new WorkQueue({ clock });
    const stop = new AbortController();
    const handled: string[] = [];
    const outcomes = [100, undefined];
    const running = queue.run(
      1,
      async (key) => {
        handled.push(key);
        return outcomes.shift();
      },
      stop.signal,
    );
    const settled = () => new Promise((resolve) => setImmediate(resolve));
    queue.add('a');
    await settled();
    clock.advance(99);
    await settled();
    expect(handled).toEqual(['a']);
    clock.advance(1);
    await settled();
    expect(handled).toEqual(['a', 'a']);
    clock.advance(10_000);
    await settled();
    expect(handled).toEqual(['a', 'a']);
    stop.abort();
    await running;
  });

  test('does not retry a key whose handler fails because of the end', async () => {
    const failures: string[] = [];
    const queue = new WorkQueue({ clock: new FakeClock(), onFailure: (key) => failures.push(key) });
    const stop = new AbortController();
    queue.add('a');
    await queue.run(
      1,
      async () => {
        stop.abort();
        throw new Error('stopped');
      },
      stop.signal,
    );
    expect(failures).toEqual([]);
    expect(queue.failures('a')).toBe(0);
  });

  test('wakes the worker that waits, not one that was ended', async () => {
    const queue = new WorkQueue();
    const [first, second] = [new AbortController(), new AbortController()];
    const ended = queue.take(first.signal);
    const waiting = queue.take(second.signal);
    first.abort();
    expect(await ended).toBeUndefined();
    queue.add('a');
    expect(await waiting).toBe('a');
  });

  /** The model: what is waiting, what is being worked on, and what came in meanwhile. */
  test('behaves as its model under any order of adds, takes and dones', async () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), key }),
      fc.record({ do: fc.constant('later' as const), key, ms: fc.integer({ min: 1, max: 50 }) }),
      fc.record({ do: fc.constant('take' as const) }),
      fc.record({ do: fc.constant('done' as const), key }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 60 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = new FakeClock();
        const queue = new WorkQueue({ clock });
        const waiting: string[] = [];
        const working = new Set<string>();
        const dirty = new Set<string>();
        let delayed: { key: string; due: number }[] = [];
        const add = (name: string): void => {
          delayed = delayed.filter((entry) => entry.key !== name);
          if (working.has(name)) dirty.add(name);
          else if (!waiting.includes(name)) waiting.push(name);
        };
        for (const action of steps) {
          if (action.do === 'add') {
            queue.add(action.key);
            add(action.key);
          } else if (action.do === 'later') {
            queue.addAfter(action.key, action.ms);
            const due = clock.now() + action.ms;
            const known = delayed.find((entry) => entry.key === action.key);
            if (!known || known.due > due) delayed = [...delayed.filter((entry) => entry !== known), { key: action.key, due }];
          } else if (action.do === 'take' && waiting.length > 0) {
            expect(await queue.take(never)).toBe(waiting[0]);
            working.add(waiting.shift() ?? '');
          } else if (action.do === 'done' && working.has(action.key)) {
            queue.done(action.key);
            working.delete(action.key);
            if (dirty.delete(action.key)) add(action.key);
          } else if (action.do === 'advance') {
            clock.advance(action.ms);
            const due = delayed.filter((entry) => entry.due <= clock.now()).sort((a, b) => a.due - b.due);
            for (const entry of due) add(entry.key);
          }
          expect(queue.depth).toBe(waiting.length);
          expect(queue.active).toBe(working.size);
        }
      }),
      { numRuns: 300 },
    );
  });
});
