/**
 * `npm run test:mutants -- [--only <path>] [--tests <path>] [--sample <percent>] [--survivors]`: changes the pure code in small ways, one at
 * a time, and says which changes no unit test notices.
 *
 * A mutant that no unit test reaches counts as survived. Files that are shells around I/O are not counted; they are listed with the
 * integration test that covers them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { type Mutant, mutate } from './mutate.ts';
import { type Finding, findingsFile, type Order } from './order.ts';
import { shells } from './shells.ts';

const root = join(import.meta.dirname, '../..');
const folders = ['control-plane/identity', 'control-plane/concurrency', 'net', 'json', 'crds', 'kube', 'operator', 'templates'];
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    tests: { type: 'string', default: '' },
    sample: { type: 'string', default: '100' },
    'no-survivors': { type: 'boolean', default: false },
  },
});
/** A process without a finding for this long is in an endless loop, in milliseconds. */
const patienceMs = 60_000;
/** Most files of tests that a mutant of its own run is tried with. */
const mostFiles = 6;
/** Most mutants that one process tries one after the other. */
const batchSize = 100;

const say = (line = ''): void => console.log(line);
const dir = mkdtempSync(join(tmpdir(), 'tenantry-mutants-'));
const findings = join(dir, findingsFile);
writeFileSync(findings, '');
let child: ChildProcess | undefined;

function end(): void {
  if (child?.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  child = undefined;
}

/** Resolves with false where the process did not end the order. */
async function run(order: Order): Promise<boolean> {
  child ??= spawn(process.execPath, [join(import.meta.dirname, 'runner.ts')], {
    env: { ...process.env, TENANTRY_MUTANTS: dir },
    cwd: root,
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const running = child;
  const begun = Date.now();
  const { promise, resolve } = Promise.withResolvers<{ error?: string } | undefined>();
  const watch = setInterval(() => {
    if (Date.now() - Math.max(begun, statSync(findings).mtimeMs) > patienceMs) resolve(undefined);
  }, 1_000);
  running.once('message', resolve);
  running.once('exit', () => resolve(undefined));
  running.send(order);
  const answer = await promise;
  clearInterval(watch);
  running.removeAllListeners();
  if (answer === undefined) end();
  if (answer?.error !== undefined) throw new Error(answer.error);
  return answer !== undefined;
}

const sampled = ({ file, before, after, line }: Mutant): boolean => {
  const hash = createHash('sha256')
    .update([relative(root, file), line, before, after].join('\0'))
    .digest();
  return hash.readUInt16BE() % 100 < Number(values.sample);
};
const sourceFiles = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .toSorted()
    .map((name) => `${folder}/${name}`)
    .filter((path) => /\.ts$/.test(path) && !/\.d\.ts$|generate|main\.ts$/.test(path) && path.startsWith(values.only)),
);
for (const path of Object.entries(shells).flat())
  if (!existsSync(join(root, path)))
    say(`${path} has moved or is gone: correct test/mutants/shells.ts. Until then it is judged as pure code.`);

const all: Mutant[] = [];
for (const path of sourceFiles) {
  const file = join(root, path);
  if (!Object.hasOwn(shells, path)) all.push(...mutate(file, readFileSync(file, 'utf8'), all.length + 1).mutants);
}
writeFileSync(join(dir, 'mutants.json'), JSON.stringify(all));
const mutants = all.filter(sampled);
const left = new Set(all.filter((mutant) => !sampled(mutant)).map(({ id }) => id));

const tests = readdirSync(join(root, 'test/unit'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && name.startsWith(values.tests))
  // Tests of the mutated folders first: they are quick and notice most.
  .toSorted(
    (a, b) =>
      Number(folders.some((one) => b.startsWith(one.split('/')[0] ?? ''))) -
        Number(folders.some((one) => a.startsWith(one.split('/')[0] ?? ''))) || a.localeCompare(b),
  )
  .map((name) => join(root, 'test/unit', name));

const killed = new Map<number, string>();
const reached = new Set<number>();
const later = new Map<number, Set<string>>();
const slow = new Set<string>();
/** By source file, how many findings the files of tests have there. */
const relevance = new Map<string, Map<string, number>>();
const failed: string[] = [];
let running = 0;
let read = 0;
/** Takes in what was found since the last call. */
function learn(testFile: string): void {
  const text = readFileSync(findings, 'utf8');
  for (const line of text.slice(read).split('\n').filter(Boolean)) {
    const finding = JSON.parse(line) as Finding;
    if (finding.kind === 'killed') killed.set(finding.id, finding.test);
    if (finding.kind === 'slow') slow.add(finding.id);
    if (finding.kind === 'running') running = finding.id;
    if (finding.kind === 'failed') failed.push(`${relative(root, finding.file)} > ${finding.test}: ${finding.error}`);
    if (finding.kind === 'later') for (const id of finding.ids) later.set(id, (later.get(id) ?? new Set()).add(finding.file));
    if (finding.kind === 'reached')
      for (const id of finding.ids) {
        reached.add(id);
        const file = all[id - 1]?.file ?? '';
        const counts = relevance.get(file) ?? new Map<string, number>();
        relevance.set(file, counts.set(testFile, (counts.get(testFile) ?? 0) + 1));
      }
  }
  read = text.length;
}

process.once('SIGINT', () => {
  end();
  rmSync(dir, { recursive: true, force: true });
  process.exit(130);
});
try {
  say(`${mutants.length} mutants, ${tests.length} files of tests.`);
  const begun = Date.now();
  const minutes = (): string => `${((Date.now() - begun) / 60_000).toFixed(1)} min`;
  for (const file of tests) {
    while (!(await run({ file, own: [], killed: [...killed.keys(), ...left], slow: [] }))) {
      learn(file);
      if (running === 0) throw new Error(`${relative(root, file)} does not end.`);
      killed.set(running, 'endless');
      running = 0;
    }
    learn(file);
    running = 0;
  }
  if (failed.length > 0) say(`Fail without a mutant, and are left out:\n${failed.map((one) => `  ${one}`).join('\n')}`);
  const own = mutants.filter(({ id }) => later.has(id) && !killed.has(id));
  say(`${killed.size} killed after ${minutes()}. ${own.length} mutants need a run of their own.`);
  /** The files of tests for each of them, the most relevant first. */
  const files = new Map(
    own.map(({ id, file }) => {
      const folder = join(root, 'test/unit', dirname(relative(root, file)));
      const rank = (test: string): number => (dirname(test) === folder ? 1e6 : 0) + (relevance.get(file)?.get(test) ?? 0);
      return [id, [...(later.get(id) ?? [])].toSorted((a, b) => rank(b) - rank(a))];
    }),
  );
  for (const { id } of own) reached.add(id);
  for (let turn = 0; turn < mostFiles; turn++) {
    for (const file of new Set([...files.values()].flatMap((ranked) => ranked.slice(turn, turn + 1)))) {
      let waiting = own.map(({ id }) => id).filter((id) => files.get(id)?.[turn] === file && !killed.has(id));
      while (waiting.length > 0) {
        const batch = waiting.slice(0, batchSize);
        const ended = await run({ file, own: batch, killed: [], slow: [...slow] });
        learn(file);
        if (!ended) killed.set(running, 'endless');
        waiting = waiting.slice(ended ? batch.length : batch.indexOf(running) + 1);
      }
    }
  }

  const place = ({ file, line }: Mutant): string => `${relative(root, file)}:${line}`;
  const alive = mutants.filter(({ id }) => !killed.has(id));
  if (!values['no-survivors'])
    for (const mutant of alive.toSorted((a, b) => place(a).localeCompare(place(b), 'en', { numeric: true })))
      say(
        `${reached.has(mutant.id) ? 'survived   ' : 'not reached'}  ${place(mutant)}  ${mutant.before.replaceAll(/\s+/g, ' ')}  ->  ${mutant.after.replaceAll(/\s+/g, ' ')}`,
      );

  const notCounted = Object.entries(shells).filter(([path]) => path.startsWith(values.only));
  say(`\nNot counted, because the file only does I/O and an integration test covers it:`);
  for (const [path, cover] of notCounted) say(`  ${path}  (${cover})`);
  say(`\n${'folder'.padEnd(28)}mutants  killed  survived  not reached  score    (${minutes()}; not reached counts as survived)`);
  for (const folder of [...folders, '']) {
    const inside = mutants.filter(({ file }) => relative(root, file).startsWith(folder));
    if (inside.length === 0) continue;
    const dead = inside.filter(({ id }) => killed.has(id)).length;
    const unreached = inside.filter(({ id }) => !killed.has(id) && !reached.has(id)).length;
    const cells = [inside.length, dead, inside.length - dead - unreached, unreached].map(String);
    const [total = '', kills = '', survivors = '', never = ''] = cells;
    say(
      `${(folder || 'all').padEnd(28)}${total.padStart(7)}${kills.padStart(8)}${survivors.padStart(10)}${never.padStart(13)}${`${((100 * dead) / inside.length).toFixed(1)} %`.padStart(9)}`,
    );
  }
} finally {
  end();
  rmSync(dir, { recursive: true, force: true });
}
