import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newRecordId } from '../../audit/record.ts';
import { RecordTooLarge, Spool, SpoolFull, type SpoolOptions } from '../../audit/spool.ts';

interface Entry {
  readonly id: string;
  readonly text?: string;
}

let root: string;
let dir: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantry-spool-'));
  dir = join(root, 'spool');
});

afterEach(() => rmSync(root, { recursive: true }));

const open = (options: Partial<SpoolOptions> = {}) => new Spool<Entry>({ dir, maxBytes: 1 << 20, ...options });
const segments = () => readdirSync(dir).filter((file) => file.endsWith('.log'));

function fill(spool: Spool<Entry>, count: number, text = 'some text'): string[] {
  return Array.from({ length: count }, () => {
    const id = newRecordId();
    spool.append({ id, text });
    return id;
  });
}

async function take(spool: Spool<Entry>, limits: { records?: number; bytes?: number } = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let batch = await spool.next(limits); batch !== undefined; batch = await spool.next(limits)) {
    ids.push(...batch.records.map(({ id }) => id));
    batch.acknowledge();
  }
  return ids;
}

describe('records', () => {
  test('are returned in order and in batches, and leave no file behind', async () => {
    const spool = open({ segmentBytes: 2_000 });
    const ids = fill(spool, 100);
    expect(segments().length).toBeGreaterThan(3);
    expect(await take(spool, { records: 7 })).toEqual(ids);
    expect(segments()).toEqual([]);
    expect(spool.bytes).toBe(0);
    await spool.close();
  });

  test('are returned again until they are acknowledged', async () => {
    const spool = open();
    const ids = fill(spool, 3);
    for (let repetition = 0; repetition < 3; repetition += 1) {
      expect((await spool.next({ records: 2 }))?.records.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    }
    (await spool.next({ records: 2 }))?.acknowledge();
    expect((await spool.next())?.records).toEqual([{ id: ids[2], text: 'some text' }]);
    await spool.close();
  });

  test('that are appended during a batch are in the next one', async () => {
    const spool = open();
    const first = fill(spool, 2);
    const batch = await spool.next();
    const second = fill(spool, 2);
    expect(batch?.records.map(({ id }) => id)).toEqual(first);
    batch?.acknowledge();
    expect(await take(spool)).toEqual(second);
    await spool.close();
  });

  test('are limited by bytes in a batch', async () => {
    const spool = open();
    const ids = fill(spool, 10, 'x'.repeat(30_000));
    const batch = await spool.next({ bytes: 100_000 });
    expect(batch?.records.length).toBe(3);
    expect(await take(spool, { bytes: 100_000 })).toEqual(ids);
    await spool.close();
  });

  test('keep every character', async () => {
    const spool = open();
    const text = 'line\nfeed, \u0000, ü, 日本, \ud83d\ude00, \u2028';
    spool.append({ id: 'a', text });
    expect((await spool.next())?.records).toEqual([{ id: 'a', text }]);
    await spool.close();
  });
});

describe('the next process', () => {
  test('continues at the place of the one before, also after two restarts', async () => {
    const first = open({ segmentBytes: 1_000 });
    const ids = fill(first, 30);
    const taken = await first.next({ records: 4 });
    taken?.acknowledge();
    await first.close();
    const second = open({ segmentBytes: 1_000 });
    const more = fill(second, 5);
    const third = open({ segmentBytes: 1_000 });
    expect(await take(third)).toEqual([...ids.slice(4), ...more]);
    expect(await take(open())).toEqual([]);
  });

  test('skips and counts damaged lines', async () => {
    const first = open();
    const ids = fill(first, 3);
    await first.close();
    const path = join(dir, segments()[0] ?? '');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(ids[1] ?? '', newRecordId()));
    truncateSync(path, statSync(path).size - 5);
    const second = open();
    const more = fill(second, 1);
    expect(await take(second)).toEqual([ids[0], ...more]);
    expect(second.damaged).toBe(1);
    expect(segments()).toEqual([]);
  });

  test('returns records again when the position or the records are lost', async () => {
    const first = open();
    const ids = fill(first, 4);
    (await first.next({ records: 2 }))?.acknowledge();
    await first.close();
    const position = join(dir, 'position.json');
    const kept = readFileSync(position);
    writeFileSync(position, '{"segm');
    expect((await open().next())?.records.map(({ id }) => id)).toEqual(ids);
    writeFileSync(position, kept);
    const path = join(dir, segments()[0] ?? '');
    truncateSync(path, Math.floor(statSync(path).size / 4));
    expect(await take(open())).toEqual(ids.slice(0, 1));
  });

  test('after SIGKILL has every record, once by its id', async () => {
    const [told, sent] = [join(root, 'told'), join(root, 'sent')];
    const script = new URL('./audit-spool-writer.ts', import.meta.url).pathname;
    for (let restart = 0; restart < 4; restart += 1) {
      const child: ChildProcess = spawn(process.execPath, [script, dir, told, sent], { stdio: ['ignore', 'pipe', 'inherit'] });
      if (child.stdout) await once(child.stdout, 'data');
      const before = existsSync(told) ? statSync(told).size : 0;
      while (!existsSync(sent) || !existsSync(told) || statSync(told).size < before + 20_000) {
        await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 5));
      }
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const rest = await take(open());
    appendFileSync(sent, rest.map((id) => `${id}\n`).join(''));
    const promised = readFileSync(told, 'utf8').trim().split('\n');
    const received = new Set(readFileSync(sent, 'utf8').trim().split('\n'));
    expect(promised.length).toBeGreaterThan(1_000);
    expect(promised.filter((id) => !received.has(id))).toEqual([]);
    // Each kill may leave at most one written record that was not reported.
    expect(received.size - new Set(promised).size).toBeLessThanOrEqual(4);
    expect(segments()).toEqual([]);
  }, 60_000);
});

describe('a full spool', () => {
  test('is announced, refuses records, and accepts them again when there is room', async () => {
    const spool = open({ maxBytes: 8_000, segmentBytes: 1_000 });
    const ids: string[] = [];
    while (!spool.full) ids.push(...fill(spool, 1));
    ids.push(...fill(spool, 3));
    expect(() => {
      for (;;) ids.push(...fill(spool, 1));
    }).toThrow(SpoolFull);
    expect(spool.bytes).toBeLessThanOrEqual(8_000);
    const sizes = segments().map((file) => statSync(join(dir, file)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(spool.bytes);
    const batch = await spool.next();
    const taken = batch?.records.map(({ id }) => id) ?? [];
    batch?.acknowledge();
    ids.push(...fill(spool, 1));
    expect([...taken, ...(await take(spool))]).toEqual(ids);
    await spool.close();
  });

  test('a record above the size limit is refused and harms no other', async () => {
    const spool = open();
    expect(() => spool.append({ id: 'a', text: 'x'.repeat(70_000) })).toThrow(RecordTooLarge);
    const ids = fill(spool, 1);
    expect(await take(spool)).toEqual(ids);
    await spool.close();
  });

  test('removes half a line that a full disk accepted', async () => {
    const script = new URL('./audit-spool-small-disk.ts', import.meta.url).pathname;
    // Two of the shell's blocks: 1 or 2 KiB, depending on the shell.
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', 'ulimit -f 2; exec "$0" "$@"', process.execPath, script, dir]);
    const appended = stdout.split('\n');
    expect(appended.length).toBeGreaterThan(1);
    const spool = open();
    expect(await take(spool)).toEqual(appended);
    expect(spool.damaged).toBe(0);
  });

  test('a missing folder refuses the record', () => {
    const spool = open();
    rmSync(dir, { recursive: true });
    expect(() => fill(spool, 1)).toThrow(SpoolFull);
  });
});
