import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { descriptionFile, forget, startStack } from '../../../local/stack.ts';

let dir = '';
let run: ChildProcess | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-forget-'));
});
afterEach(() => {
  run?.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** A run that uses `dir` and has started a process in a part of it. Resolves with that process. */
async function startRun(): Promise<number> {
  const code = `
    import { claimFolder } from ${JSON.stringify(new URL('../../../local/machine/claimed-folder.ts', import.meta.url).href)};
    import { startChild } from ${JSON.stringify(new URL('../../../local/machine/process.ts', import.meta.url).href)};
    await claimFolder(${JSON.stringify(dir)});
    const { records } = await claimFolder(${JSON.stringify(join(dir, 'kubernetes'))});
    const child = await startChild({
      command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'], env: {}, logFile: ${JSON.stringify(join(dir, 'log'))},
    }, records);
    console.log(child.identity.pid);
    setInterval(() => {}, 1000);`;
  run = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const chunk of run.stdout ?? []) return Number(String(chunk));
  throw new Error('the run ended');
}

const runs = (pid: number): boolean => existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');

test('what a killed run left running is ended with its folder', async () => {
  const orphan = await startRun();
  const ended = new Promise((resolve) => run?.once('exit', resolve));
  run?.kill('SIGKILL');
  await ended;
  expect(runs(orphan)).toBe(true);
  await forget(dir);
  expect(runs(orphan)).toBe(false);
  expect(existsSync(dir)).toBe(false);
});

test('the folder of a run that is alive is left alone', async () => {
  const child = await startRun();
  await expect(forget(dir)).rejects.toThrow(/in use by process/);
  expect(runs(child)).toBe(true);
  expect(existsSync(dir)).toBe(true);
  const ended = new Promise((resolve) => run?.once('exit', resolve));
  run?.kill('SIGKILL');
  await ended;
  await forget(dir);
});

test('a second start in the folder of a run fails, and leaves the description of that run', async () => {
  await startRun();
  writeFileSync(descriptionFile(dir), '{}');
  const second = startStack({ dir, log: pino({ level: 'silent' }), identity: undefined });
  await expect(second).rejects.toThrow(/in use by process \d+; stop that run first/);
  expect(readFileSync(descriptionFile(dir), 'utf8')).toBe('{}');
});
