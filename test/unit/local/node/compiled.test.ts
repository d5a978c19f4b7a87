import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compilePrograms, shareCompiled } from '../../../../local/node/compiled.ts';

const root = process.getuid?.() === 0;
const otherUser = 0x2000_1234;
let dir = '';
let folder = '';
let program = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-compiled-'));
  chmodSync(dir, 0o755);
  folder = join(dir, 'compiled');
  program = join(dir, 'program.mjs');
  writeFileSync(program, `export function f() { return 1; }\nthrow new Error('a setting is missing');\n`);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Starts the program; true when Node used the compiled form that it found. */
function usesCompiled(uid: number | undefined): boolean {
  const env = { NODE_COMPILE_CACHE: folder, NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
  const { stderr } = spawnSync(process.execPath, [program], {
    env,
    cwd: '/',
    encoding: 'utf8',
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return stderr.split('\n').some((line) => line.includes('program.mjs') && line.includes('was accepted'));
}

describe('compiled programs', () => {
  test('are used by the user who compiled them, also where the program ended for want of settings', async () => {
    await compilePrograms(folder, [[program]], dir);
    expect(usesCompiled(undefined)).toBe(true);
  });

  test.runIf(root)('are used by another user once they are shared, who cannot write them', async () => {
    await compilePrograms(folder, [[program]], dir);
    expect(usesCompiled(otherUser)).toBe(false);
    shareCompiled(folder, otherUser);
    shareCompiled(folder, otherUser);
    expect(usesCompiled(otherUser)).toBe(true);
    const modes = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => statSync(join(folder, file)).mode & 0o022);
    expect(modes.length).toBeGreaterThan(2);
    expect(new Set(modes)).toEqual(new Set([0]));
  });

  test('keep no links of an earlier run', async () => {
    await compilePrograms(folder, [[program]], dir);
    shareCompiled(folder, otherUser);
    await compilePrograms(folder, [[program]], dir);
    expect(readdirSync(folder).filter((name) => lstatSync(join(folder, name)).isSymbolicLink())).toEqual([]);
  });

  test('are missing for a program that cannot start, and the others are there', async () => {
    await compilePrograms(folder, [[join(dir, 'nothing.mjs')], [program]], dir);
    expect(existsSync(folder)).toBe(true);
    expect(usesCompiled(undefined)).toBe(true);
  });
});
