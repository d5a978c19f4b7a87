import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AtomicFolder } from '../../../../local/node/atomic-folder.ts';
import { mountsOf, rewriteArgument, rewriteValue } from '../../../../local/node/mounts.ts';
import type { Container } from '../../../../local/node/pod.ts';

const container: Container = {
  name: 'c',
  image: 'i',
  volumeMounts: [
    { name: 'etc', mountPath: '/etc/app' },
    { name: 'keys', mountPath: '/etc/app/keys/' },
  ],
};
const mounts = mountsOf(container, (volume) => `/state/${volume}`);

describe('mount paths', () => {
  it('become the folders that stand for them, the longest first', () => {
    expect(rewriteValue('/etc/app', mounts)).toBe('/state/etc');
    expect(rewriteValue('/etc/app/a/b.json', mounts)).toBe('/state/etc/a/b.json');
    expect(rewriteValue('/etc/app/keys/k', mounts)).toBe('/state/keys/k');
  });

  it('match whole path elements, at the beginning only', () => {
    for (const value of ['/etc/application', 'see /etc/app', 'http://host/etc/app', '/etc', ''])
      expect(rewriteValue(value, mounts)).toBe(value);
  });

  it('are found behind the name of an option', () => {
    expect(rewriteArgument('--config=/etc/app/x', mounts)).toBe('--config=/state/etc/x');
    expect(rewriteArgument('/etc/app/x', mounts)).toBe('/state/etc/x');
    expect(rewriteArgument('a=/etc/app/x', mounts)).toBe('a=/etc/app/x');
  });
});

describe('a folder of mounted files', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tenantry-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const files = (entries: Record<string, string>) => new Map(Object.entries(entries).map(([name, text]) => [name, Buffer.from(text)]));
  const visible = (path: string) => readdirSync(path).filter((name) => !name.startsWith('..'));

  it('shows its files, readable by their owner alone', () => {
    const folder = new AtomicFolder(join(dir, 'v'), undefined);
    folder.write(files({ a: '1', b: '2' }));
    expect(readFileSync(join(folder.path, 'a'), 'utf8')).toBe('1');
    expect(readFileSync(join(folder.path, 'b'), 'utf8')).toBe('2');
    expect(statSync(join(folder.path, 'a')).mode & 0o777).toBe(0o600);
    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
  });

  it('changes all files by changing one link, and leaves nothing of the old ones', () => {
    const folder = new AtomicFolder(join(dir, 'v'), undefined);
    folder.write(files({ a: '1', old: 'x' }));
    const before = lstatSync(join(folder.path, 'a')).ino;
    expect(folder.write(files({ a: '2', new: 'y' }))).toBe(true);
    expect(lstatSync(join(folder.path, 'a')).ino).toBe(before);
    expect(readFileSync(join(folder.path, 'a'), 'utf8')).toBe('2');
    expect(visible(folder.path).sort()).toEqual(['a', 'new']);
    expect(readdirSync(folder.path).filter((name) => name.startsWith('..'))).toHaveLength(2);
  });

  it('is not written when nothing differs', () => {
    const folder = new AtomicFolder(join(dir, 'v'), undefined);
    expect(folder.write(files({ a: '1' }))).toBe(true);
    expect(folder.write(files({ a: '1' }))).toBe(false);
  });
});
