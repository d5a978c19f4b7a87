import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const launcher = resolve(import.meta.dirname, '../../cli/tenantry.mjs');
/** Makes Node say that it is an older one. */
const old = ['--import', "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})"];
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tenantry-launcher-'));
  mkdirSync(join(root, 'cli'));
  copyFileSync(launcher, join(root, 'cli/tenantry.mjs'));
  writeFileSync(join(root, 'package.json'), '{"type": "module"}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A checkout with packages, whose command line tells its arguments and ends as it is told. */
function install(
  program = 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = Number(process.argv.at(-1)) || 0;',
): void {
  mkdirSync(join(root, 'node_modules/commander'), { recursive: true });
  mkdirSync(join(root, 'node_modules/.bin'), { recursive: true });
  writeFileSync(join(root, 'cli/main.ts'), program);
}

const run = (node: readonly string[], ...args: string[]) =>
  spawnSync(process.execPath, [...node, join(root, 'cli/tenantry.mjs'), ...args], { encoding: 'utf8' });

describe('the launcher', { timeout: 60_000 }, () => {
  test('says how to install packages that are not there', () => {
    expect(run([])).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining(`cd ${root} && npm ci`) });
  });

  test('runs the command line itself on a Node that can', () => {
    install();
    expect(run([], 'a b', '7')).toMatchObject({ status: 7, stdout: '["a b","7"]\n', stderr: '' });
  });

  test('runs it on the Node of the packages where its own is too old, arguments, output and exit code included', () => {
    install();
    symlinkSync(process.execPath, join(root, 'node_modules/.bin/node'));
    expect(run(old, 'a b', '9')).toMatchObject({ status: 9, stdout: '["a b","9"]\n', stderr: '' });
  });

  test('says which Node is missing where there is none', () => {
    install();
    const { status, stderr } = run(old);
    expect(status).toBe(1);
    expect(stderr).toContain('needs Node.js 24 or later; this is 20.20.2');
  });

  test('passes the end on to the command line, and ends as that does', async () => {
    install("process.on('SIGTERM', () => process.exit(130)); console.log('ready'); setInterval(() => {}, 1000);");
    const node = join(root, 'node_modules/.bin/node');
    writeFileSync(node, `#!/bin/sh\nexec ${process.execPath} "$@"\n`);
    chmodSync(node, 0o755);
    const running = spawn(process.execPath, [...old, join(root, 'cli/tenantry.mjs')]);
    await new Promise((ready) => running.stdout.once('data', ready));
    const ended = new Promise((end) => running.on('close', end));
    running.kill('SIGTERM');
    expect(await ended).toBe(130);
  });
});
