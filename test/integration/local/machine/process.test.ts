import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimFolder } from '../../../../local/machine/claimed-folder.ts';
import { trimLog } from '../../../../local/machine/files.ts';
import { keepPorts, tryListen } from '../../../../local/machine/ports.ts';
import { startChild, supervise } from '../../../../local/machine/process.ts';
import { identify, isRunning } from '../../../../local/machine/process-identity.ts';
import { ProcessRecords } from '../../../../local/machine/process-records.ts';

/** Real child processes, without a cluster. */

const log = pino({ level: 'silent' });
let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-process-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const program = (code: string) => ({
  command: process.execPath,
  args: ['-e', code],
  env: { DIR: dir },
  logFile: join(dir, 'log'),
});
const forever = 'setInterval(() => {}, 1000)';

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not within 60 s: ${holds.toString()}`);
    await delay(20);
  }
}
const text = (file: string) => {
  try {
    return readFileSync(join(dir, file), 'utf8');
  } catch {
    return '';
  }
};

describe('a supervised process', () => {
  const records = () => new ProcessRecords(join(dir, 'processes'));

  it('comes back when it ends', async () => {
    const supervised = await supervise({
      ...program(`console.log('up'); ${forever}`),
      name: 'it',
      records: records(),
      log,
      backOff: { firstMs: 1, maxMs: 1, resetMs: 1 },
    });
    await until(() => text('log') === 'up\n');
    const first = supervised.pid ?? 0;
    process.kill(first, 'SIGKILL');
    await until(() => supervised.pid !== first);
    await until(() => text('log') === 'up\nup\n');
    await supervised.stop();
    expect(supervised.pid).toBeUndefined();
    expect(readdirSync(join(dir, 'processes'))).toEqual([]);
  });

  it('is waited for until it is ready', async () => {
    const code = `setTimeout(() => require('node:fs').writeFileSync(process.env.DIR + '/ready', ''), 100); ${forever}`;
    const supervised = await supervise({
      ...program(code),
      name: 'it',
      records: records(),
      log,
      ready: async () => readdirSync(dir).includes('ready'),
    });
    expect(readdirSync(dir)).toContain('ready');
    await supervised.stop();
  });

  it('that cannot start says so with the end of its log', async () => {
    const failing = supervise({
      ...program("console.error('port is taken'); process.exit(7)"),
      name: 'it',
      records: records(),
      log,
      ready: async () => false,
    });
    await expect(failing).rejects.toThrow(/it ended with exit code 7 instead of getting ready.*ends with:\nport is taken/s);
    const missing = supervise({ ...program(''), command: '/no/such/program', name: 'it', records: records(), log });
    await expect(missing).rejects.toThrow('cannot start /no/such/program: no such program');
  });

  it('that is never ready is ended after its time', async () => {
    const slow = supervise({ ...program(forever), name: 'it', records: records(), log, ready: async () => false, readyTimeoutMs: 200 });
    await expect(slow).rejects.toThrow('was not ready within 0.2 s');
    expect(readdirSync(join(dir, 'processes'))).toEqual([]);
  });

  it('is killed when it does not end, with all it started', async () => {
    const child = await startChild(
      program(
        `process.on('SIGTERM', () => {}); const { pid } = require('node:child_process').spawn('sleep', ['1000']); console.log(pid); ${forever}`,
      ),
      records(),
    );
    await until(() => text('log').endsWith('\n'));
    const grandchild = identify(Number(text('log')));
    expect(grandchild && isRunning(grandchild)).toBe(true);
    expect(await child.stop(100)).toEqual({ code: 137, signal: 'SIGKILL' });
    await until(() => grandchild !== undefined && !isRunning(grandchild));
  });
});

describe('a state folder', () => {
  it('belongs to one run at a time', async () => {
    const folder = await claimFolder(dir);
    await expect(claimFolder(dir)).rejects.toThrow(`${dir} is in use by process ${process.pid}`);
    folder.release();
    (await claimFolder(dir)).release();
  });

  it('is free again after its owner was killed, and what that run left is ended', async () => {
    const records = new ProcessRecords(join(dir, 'processes'));
    const child = await startChild(program(forever), records);
    const dead = { ...child.identity, startTicks: child.identity.startTicks - 1 };
    writeFileSync(join(dir, 'owner.json'), JSON.stringify(dead));
    const folder = await claimFolder(dir);
    expect(folder.orphans).toBe(1);
    expect((await child.exited).signal).toBe('SIGTERM');
    folder.release();
  });

  it('does not touch a process that only has the number of a recorded one', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'tenantry-process-'));
    const child = await startChild(program(forever), new ProcessRecords(elsewhere));
    const records = new ProcessRecords(join(dir, 'processes'));
    records.add({ ...child.identity, startTicks: child.identity.startTicks - 1 }, {});
    records.add({ ...child.identity, boot: 'another' }, {});
    expect(await records.endOrphans()).toBe(0);
    expect(isRunning(child.identity)).toBe(true);
    await child.stop(0);
    rmSync(elsewhere, { recursive: true });
  });
});

describe('kept ports', () => {
  it('stay the same, but for those that somebody took', async () => {
    const file = join(dir, 'ports.json');
    const first = await keepPorts(file, ['a', 'b']);
    expect(await keepPorts(file, ['a', 'b'])).toEqual({ ports: first.ports, moved: [], kept: first.ports });
    const { createServer } = await import('node:net');
    const thief = createServer();
    await new Promise<void>((resolve) => thief.listen(first.ports.a, '127.0.0.1', resolve));
    const second = await keepPorts(file, ['a', 'b']);
    expect(second.moved).toEqual(['a']);
    expect(second.kept.a).toBe(first.ports.a);
    expect(second.ports.b).toBe(first.ports.b);
    await expect(tryListen(first.ports.a, '127.0.0.1')).rejects.toThrow('EADDRINUSE');
    await new Promise((resolve) => thief.close(resolve));
  });
});

describe('a log', () => {
  it('keeps its last lines when it has grown too long', () => {
    const file = join(dir, 'log');
    const lines = Array.from({ length: 1000 }, (_, i) => `line ${i}\n`);
    writeFileSync(file, lines.join(''));
    trimLog(file, 100_000);
    expect(text('log')).toBe(lines.join(''));
    trimLog(file, 4_000);
    expect(text('log').length).toBeLessThanOrEqual(1_000);
    expect(text('log').startsWith('line ')).toBe(true);
    expect(text('log').endsWith('line 999\n')).toBe(true);
  });
});
