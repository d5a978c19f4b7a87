/**
 * `npm run test:mutants -- [--minutes <n>] [--only <path>]`: changes the programs in small ways, one at a time, and says which changes no
 * unit test notices. Each change is run against the files of tests that reach it. After that many minutes the rest is left out; the order is
 * mixed, so that the score stands for all, and the same in each run.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type Mutant, mutate } from './mutate.ts';
import type { Order } from './runner.ts';

const root = join(import.meta.dirname, '../..');
const folders = ['operator', 'crds', 'kube', 'templates', 'control-plane/identity', 'control-plane/concurrency'];
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '20' }, only: { type: 'string', default: '' } } });
/** A change that makes a loop endless is noticed by this. */
const patienceMs = 60_000;

const say = (line = ''): void => console.log(line);
const dir = mkdtempSync(join(tmpdir(), 'tenantry-mutants-'));
let child: ChildProcess | undefined;

/** The process with the tests; `bail` ends a run with the first test that fails. */
function start(bail: boolean): ChildProcess {
  const env = { ...process.env, TENANTRY_MUTANTS: dir, ...(bail ? { TENANTRY_MUTANTS_BAIL: '1' } : {}) };
  return spawn(process.execPath, [join(import.meta.dirname, 'runner.ts')], {
    env,
    cwd: root,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}

function end(): void {
  if (child?.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  child = undefined;
}

/** Resolves with the tests that failed, or undefined where they did not end in time. */
async function run(order: Order, bail: boolean, timeoutMs = patienceMs): Promise<readonly string[] | undefined> {
  child ??= start(bail);
  const running = child;
  const over = AbortSignal.timeout(timeoutMs);
  const answer = await new Promise<{ failed: readonly string[]; error?: string } | undefined>((resolve) => {
    running.once('message', resolve);
    running.once('exit', () => resolve(undefined));
    over.addEventListener('abort', () => resolve(undefined));
    running.send(order);
  });
  running.removeAllListeners();
  if (answer === undefined) end();
  if (answer?.error !== undefined) throw new Error(answer.error);
  return answer?.failed;
}

const mutants: Mutant[] = [];
for (const folder of folders) {
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).toSorted()) {
    const file = join(root, folder, name);
    if (!/\.ts$/.test(name) || /\.d\.ts$|generate|main\.ts$/.test(name) || !relative(root, file).startsWith(values.only)) continue;
    mutants.push(...mutate(file, readFileSync(file, 'utf8'), mutants.length + 1).mutants);
  }
}
writeFileSync(join(dir, 'mutants.json'), JSON.stringify(mutants));

process.once('SIGINT', () => {
  end();
  rmSync(dir, { recursive: true, force: true });
  process.exit(130);
});
try {
  say(`${mutants.length} mutants; running the unit tests once to see which file of tests reaches which.`);
  const failing = (await run({ id: 0 }, false, 600_000)) ?? ['They did not end within 10 minutes.'];
  if (failing.length > 0) throw new Error(`The unit tests fail without a mutant. Mend that first:\n${failing.join('\n')}`);
  end();
  const reaching = new Map<number, string[]>();
  for (const name of readdirSync(dir).filter((entry) => entry.startsWith('reached-'))) {
    const { file, ids } = JSON.parse(readFileSync(join(dir, name), 'utf8')) as { file: string; ids: number[] };
    for (const id of ids) reaching.set(id, [...(reaching.get(id) ?? []), file]);
  }

  // The first run takes as long as the machine makes it.
  const deadline = Date.now() + Number(values.minutes) * 60_000;
  const mixed = (id: number): string => createHash('sha256').update(String(id)).digest('hex');
  const survivors: Mutant[] = [];
  const unreached: Mutant[] = [];
  const scores = new Map<string, { killed: number; of: number }>();
  for (const mutant of mutants.toSorted((a, b) => mixed(a.id).localeCompare(mixed(b.id)))) {
    if (Date.now() > deadline) break;
    const files = reaching.get(mutant.id);
    // Code that only tests of the running system reach is not judged here.
    if (files === undefined) {
      unreached.push(mutant);
      continue;
    }
    const killed = (await run({ id: mutant.id, files }, true))?.length !== 0;
    if (!killed) survivors.push(mutant);
    const folder = folders.find((one) => relative(root, mutant.file).startsWith(`${one}/`)) ?? '';
    const score = scores.get(folder) ?? { killed: 0, of: 0 };
    scores.set(folder, { killed: score.killed + (killed ? 1 : 0), of: score.of + 1 });
  }

  const place = ({ file, line }: Mutant): string => `${relative(root, file)}:${line}`;
  for (const mutant of survivors.toSorted((a, b) => place(a).localeCompare(place(b), 'en', { numeric: true })))
    say(`survived  ${place(mutant)}  ${mutant.before.replaceAll(/\s+/g, ' ')}  ->  ${mutant.after.replaceAll(/\s+/g, ' ')}`);
  say(`\n${unreached.length} mutants that no unit test reaches were left out; they are for the tests of the running system.`);
  const rows = [
    ...scores,
    [
      'all',
      [...scores.values()].reduce((sum, { killed, of }) => ({ killed: sum.killed + killed, of: sum.of + of }), { killed: 0, of: 0 }),
    ] as const,
  ];
  for (const [folder, { killed, of }] of rows) say(`${folder.padEnd(24)}${killed} of ${of} killed, ${((100 * killed) / of).toFixed(0)} %`);
} finally {
  end();
  rmSync(dir, { recursive: true, force: true });
}
