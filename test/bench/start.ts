/**
 * `npm run bench:start -- [--against <git ref>] [--rounds <n>] [--tenants <n>]`: times `npm start` until it says that it runs, with and
 * without what an earlier start kept, and tenants from POST to Ready. An earlier revision is measured in turns with the last commit, so
 * that both meet the same machine. Each revision has a worktree of its own, which is removed at the end; your own `.tenantry` is not used.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: { against: { type: 'string' }, rounds: { type: 'string', default: '3' }, tenants: { type: 'string', default: '3' } },
});
const [rounds, tenants] = [Number(values.rounds), Number(values.tenants)];
const timeoutMs = 300_000;

/** Seconds, by what was timed. */
const figures = { 'first start to Running': [], 'next start to Running': [], 'POST to Ready': [] } satisfies Record<string, number[]>;
type Figures = Record<keyof typeof figures, number[]>;

const say = (line = ''): void => console.log(line);
const median = (of: readonly number[]): number => [...of].sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? Number.NaN;
const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();

class Revision {
  readonly name: string;
  readonly folder: string;
  readonly figures: Figures = structuredClone(figures);
  #running: ChildProcess | undefined;

  constructor(ref: string, parent: string) {
    this.name = `${ref} (${git('rev-parse', '--short', `${ref}^{commit}`)})`;
    this.folder = join(parent, git('rev-parse', '--short', `${ref}^{commit}`));
    git('worktree', 'add', '--quiet', '--detach', this.folder, ref);
  }

  /** Installs packages, as a user's first start does; not part of what is measured. */
  prepare(): void {
    execFileSync('node', ['local/setup/setup.mjs'], { cwd: this.folder, stdio: ['ignore', 'ignore', 'inherit'] });
  }

  async round(): Promise<void> {
    rmSync(join(this.folder, '.tenantry'), { recursive: true, force: true });
    try {
      this.figures['first start to Running'].push(await this.#start());
      for (let count = 0; count < tenants; count++) this.figures['POST to Ready'].push(await this.#tenant(`bench-${count}`));
      await this.stop();
      this.figures['next start to Running'].push(await this.#start());
    } finally {
      await this.stop();
    }
  }

  async #start(): Promise<number> {
    const began = performance.now();
    // A process group of its own, so that npm and what it starts get the same signal.
    const child = spawn('npm', ['start', '--silent'], { cwd: this.folder, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    this.#running = child;
    const said: string[] = [];
    const signal = AbortSignal.timeout(timeoutMs);
    for await (const line of createInterface({ input: child.stdout, signal })) {
      said.push(line);
      if (!line.startsWith('Running.')) continue;
      child.stdout.resume();
      return (performance.now() - began) / 1000;
    }
    throw new Error(`npm start of ${this.name} ended, or did not run within ${timeoutMs / 1000} s:\n${said.join('\n')}`);
  }

  /** Creates a tenant and waits until it is Ready. Uses plain HTTP, so that every revision can be asked. */
  async #tenant(name: string): Promise<number> {
    const { adminUrl, adminToken } = JSON.parse(readFileSync(join(this.folder, '.tenantry', 'local.json'), 'utf8')) as Record<
      string,
      string
    >;
    const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ name, template: { name: 'toolbridge' }, deletionPolicy: 'delete' });
    const began = performance.now();
    const created = await fetch(`${adminUrl}/admin/tenants`, { method: 'POST', headers, body });
    if (!created.ok) throw new Error(`POST answered ${created.status}: ${await created.text()}`);
    while (performance.now() - began < timeoutMs) {
      const response = await fetch(`${adminUrl}/admin/tenants/${name}`, { headers });
      const { status } = (await response.json()) as { status?: { conditions?: { type: string; status: string }[] } };
      if (status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'))
        return (performance.now() - began) / 1000;
      await delay(20);
    }
    throw new Error(`tenant ${name} of ${this.name} was not Ready within ${timeoutMs / 1000} s`);
  }

  async stop(): Promise<void> {
    const child = this.#running;
    this.#running = undefined;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    process.kill(-child.pid, 'SIGINT');
    await ended;
  }

  remove(): void {
    git('worktree', 'remove', '--force', this.folder);
  }
}

const parent = mkdtempSync(join(tmpdir(), 'tenantry-bench-start-'));
const revisions: Revision[] = [];
// The start under measurement then fails, and everything is removed.
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    for (const revision of revisions) void revision.stop();
  });
}
try {
  if (git('status', '--porcelain') !== '') say('What is not committed is not measured.');
  for (const ref of ['HEAD', ...(values.against === undefined ? [] : [values.against])]) revisions.push(new Revision(ref, parent));
  for (const revision of revisions) revision.prepare();
  say(`Machine: ${cpus().length} CPUs (${cpus()[0]?.model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}`);
  for (let round = 1; round <= rounds; round++) {
    for (const revision of revisions) {
      say(`Round ${round} of ${rounds}: ${revision.name}`);
      await revision.round();
    }
  }
  const [now, before] = revisions;
  say(`\nMedians in seconds, least to most in brackets; ${rounds} rounds, ${tenants} tenants each.\n`);
  for (const what of Object.keys(figures) as (keyof Figures)[]) {
    for (const { name, figures: of } of revisions) {
      const range = `${Math.min(...of[what]).toFixed(2)} to ${Math.max(...of[what]).toFixed(2)}`;
      say(`${what.padEnd(24)}${name.padEnd(30)}${median(of[what]).toFixed(2).padStart(7)}  (${range})`);
    }
    if (now !== undefined && before !== undefined)
      say(`${what.padEnd(24)}${'ratio'.padEnd(30)}${(median(now.figures[what]) / median(before.figures[what])).toFixed(2).padStart(7)}`);
  }
} finally {
  for (const revision of revisions) {
    await revision.stop();
    revision.remove();
  }
  rmSync(parent, { recursive: true, force: true });
}
