import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const checkout = resolve(import.meta.dirname, '../..');
const launcher = join(checkout, 'cli/tenantry.mjs');
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
  spawnSync(process.execPath, [...node, join(root, 'cli/tenantry.mjs'), ...args], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: root },
  });

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

  test('keeps what Node has compiled in the user’s own folder', () => {
    install();
    symlinkSync(process.execPath, join(root, 'node_modules/.bin/node'));
    for (const node of [[], old]) {
      rmSync(join(root, '.cache'), { recursive: true, force: true });
      expect(run(node)).toMatchObject({ status: 0 });
      expect(existsSync(join(root, '.cache/tenantry/node'))).toBe(true);
    }
  });

  test('says which Node is missing where there is none', () => {
    install();
    const { status, stderr } = run(old);
    expect(status).toBe(1);
    expect(stderr).toContain('needs Node.js 24 or later; this is 20.20.2');
  });

  describe('in an installed package', () => {
    /** Where npm puts the package and, beside it, the Node it brings. */
    let modules = '';

    beforeEach(() => {
      modules = mkdtempSync(join(tmpdir(), 'tenantry-installed-'));
      const installed = join(modules, 'node_modules', 'tenantry');
      mkdirSync(join(modules, 'node_modules', '.bin'), { recursive: true });
      mkdirSync(join(installed, 'cli'), { recursive: true });
      copyFileSync(launcher, join(installed, 'cli', 'tenantry.mjs'));
      copyFileSync(join(checkout, 'package.json'), join(installed, 'package.json'));
      symlinkSync(join(installed, 'cli', 'tenantry.mjs'), join(modules, 'node_modules', '.bin', 'tenantry'));
    });
    afterEach(() => rmSync(modules, { recursive: true, force: true }));

    test('runs the JavaScript that was packed, on the Node beside it where its own is too old', () => {
      const packed = join(modules, 'node_modules', 'tenantry', 'dist', 'command-line');
      const built = spawnSync(process.execPath, [join(checkout, 'images', 'command-line.ts'), '--output', packed], { encoding: 'utf8' });
      expect(built).toMatchObject({ status: 0, stderr: '' });
      symlinkSync(process.execPath, join(modules, 'node_modules', '.bin', 'node'));
      const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string };
      const called = (node: readonly string[], ...args: string[]) =>
        spawnSync(process.execPath, [...node, join(modules, 'node_modules', '.bin', 'tenantry'), ...args], {
          encoding: 'utf8',
          cwd: modules,
          env: { PATH: process.env['PATH'], HOME: modules },
        });
      for (const node of [[], old]) expect(called(node, '--version')).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: '' });
      // What is loaded when it is wanted is there, too.
      const { status, stdout } = called([], 'diagnose', 'https://mcp.tenantry.invalid/mcp', '--output', 'json');
      expect(JSON.parse(stdout)).toMatchObject({ firstBroken: { name: 'dns' } });
      expect(status).toBe(9);
      const workos = ['workos', 'check', '--client-id', 'client_x', '--oauth-issuer', 'http://127.0.0.1:9'];
      expect(called([], ...workos)).toMatchObject({ status: 2, stderr: expect.stringContaining('Set WORKOS_API_KEY') });
    });

    test('says which Node is missing where there is none', () => {
      const packed = join(modules, 'node_modules', 'tenantry', 'dist', 'command-line', 'cli');
      mkdirSync(packed, { recursive: true });
      writeFileSync(join(packed, 'main.js'), '');
      const { status, stderr } = spawnSync(process.execPath, [...old, join(modules, 'node_modules', '.bin', 'tenantry')], {
        encoding: 'utf8',
      });
      expect(status).toBe(1);
      expect(stderr).toContain('needs Node.js 24 or later; this is 20.20.2');
      expect(stderr).not.toContain('npm ci');
    });
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
