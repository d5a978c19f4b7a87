/**
 * Runs in each worker in place of Vitest's own runner. It runs every test once as it is, notes which mutants the test reaches, and then
 * repeats the test with each of them. Loading the modules again for each mutant would take a second a mutant; a repetition takes milliseconds.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunnerTask, type RunnerTestCase, type RunnerTestFile, TestRunner, vi } from 'vitest';
import { isActive } from './mutate.ts';
import { type Finding, findingsFile, type Order, orderFile } from './order.ts';

const folder = process.env['TENANTRY_MUTANTS'] ?? '';
const order = JSON.parse(readFileSync(join(folder, orderFile), 'utf8')) as Order;
/** Longer tests are not repeated, in milliseconds. What only they would notice counts as survived. */
const slowMs = 300;
/** Questions of one repetition after which its mutant has made a loop endless. */
const endless = 3_000_000;
// Tests replace the clock.
const now = performance.now.bind(performance);

/** Mutants of the order that have not had their run. */
const left = [...order.own];
const ownRuns = left.length > 0;
let active = 0;
let questions = 0;
let reached = new Set<number>();

Object.assign(globalThis, {
  [isActive]: (id: number): boolean => {
    if (active === 0) reached.add(id);
    else if (++questions > endless) throw new Error('the mutant does not end');
    return id === active;
  },
});

const find = (finding: Finding): void => appendFileSync(join(folder, findingsFile), `${JSON.stringify(finding)}\n`);

export default class MutantRunner extends TestRunner {
  readonly #killed = new Set(order.killed);
  /** Mutants to repeat the present test with. 0 repeats it without one. */
  #queue: number[] = [];
  /** A mutant that failed the present test. It counts as killed when the test passes again without it. */
  #suspect = 0;
  #reached: number[] = [];
  #begun = 0;
  /** Whether a test has noticed the mutant of the order. */
  #over = false;

  override importFile(path: string, source: 'collect' | 'setup'): unknown {
    vi.resetModules();
    this.#over = false;
    questions = 0;
    if (ownRuns) {
      active = left.shift() ?? 0;
      find({ kind: 'running', id: active });
    }
    return super.importFile(path, source);
  }

  override async onBeforeRunTask(test: RunnerTask): Promise<void> {
    await super.onBeforeRunTask(test);
    // Vitest's own `bail` counts the failures of earlier orders too.
    if (this.#over || (ownRuns && order.slow.includes(test.id))) test.mode = 'skip';
    if (ownRuns || test.type !== 'test' || test.mode === 'skip') return;
    if (reached.size > 0) find({ kind: 'later', file: test.file.filepath, ids: [...reached] });
    test.repeats = Number.MAX_SAFE_INTEGER;
  }

  override onBeforeTryTask(test: RunnerTestCase, options: { retry: number; repeats: number }): void {
    super.onBeforeTryTask(test, options);
    if (ownRuns) return;
    if (test.result) Object.assign(test.result, { errors: undefined, attempts: [] });
    this.#begun = now();
    questions = 0;
    if (options.repeats === 0) {
      reached = new Set();
      active = 0;
      return;
    }
    const next = this.#queue.shift();
    active = next ?? 0;
    if (next === undefined) test.context.skip();
    else if (next !== 0) find({ kind: 'running', id: next });
  }

  override async onAfterRetryTask(test: RunnerTestCase, options: { retry: number; repeats: number }): Promise<void> {
    await super.onAfterRetryTask(test, options);
    if (ownRuns) this.#over ||= test.result?.state === 'fail';
    if (ownRuns || test.result?.state === 'skip') return;
    const passed = test.result?.state !== 'fail';
    const file = test.file.filepath;
    if (options.repeats === 0) {
      this.#reached = [...reached].filter((id) => !this.#killed.has(id));
      find({ kind: 'reached', ids: [...reached] });
      if (!passed) find({ kind: 'failed', file, test: test.name, error: test.result?.errors?.[0]?.message ?? '' });
      const slow = now() - this.#begun > slowMs;
      if (slow) find({ kind: 'slow', id: test.id });
      this.#queue = !passed || slow || this.#reached.length === 0 ? [] : [0, ...this.#reached];
    } else if (active !== 0 && !passed) {
      vi.useRealTimers();
      this.#suspect = active;
      this.#queue.unshift(0);
    } else if (active === 0 && !passed) {
      // The test cannot be repeated in this process, at least not after this mutant.
      find({ kind: 'later', file, ids: this.#reached.filter((id) => !this.#killed.has(id)) });
      this.#queue = [];
      this.#suspect = 0;
    } else if (active === 0 && this.#suspect !== 0) {
      this.#killed.add(this.#suspect);
      find({ kind: 'killed', id: this.#suspect, file, test: test.fullName });
      this.#suspect = 0;
    }
    // Code that runs between the tests of a file runs once, so it is not repeated with a mutant.
    reached = new Set();
    active = 0;
  }

  override onAfterRunFiles(files: RunnerTestFile[]): void {
    super.onAfterRunFiles(files);
    for (const { filepath: file, result } of files) {
      if (ownRuns) {
        if (this.#over || result?.state !== 'pass') find({ kind: 'killed', id: active, file, test: '' });
        continue;
      }
      for (const { message } of result?.errors ?? []) find({ kind: 'failed', file, test: 'the whole file', error: message });
    }
  }
}
