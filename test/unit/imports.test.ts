import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** What each folder may import besides itself; packages in `never` must not be reached from it. */
const allowed: Readonly<Record<string, { readonly folders: readonly string[]; readonly never?: readonly string[] }>> = {
  json: { folders: [] },
  net: { folders: [] },
  problems: { folders: [] },
  crds: { folders: ['json'], never: ['@kubernetes/client-node', 'fastify', 'pg'] },
  kube: { folders: ['crds', 'net'] },
  audit: { folders: ['json', 'net'] },
  operator: { folders: ['crds', 'kube', 'audit', 'json', 'net'] },
  'control-plane': { folders: ['crds', 'kube', 'audit', 'json', 'problems', 'net'] },
  cli: { folders: ['crds', 'kube', 'audit', 'json', 'control-plane/client', 'control-plane/workos-setup', 'problems'] },
  local: { folders: ['crds', 'kube', 'control-plane/client', 'problems', 'net'] },
  templates: { folders: ['crds', 'audit', 'json', 'problems', 'net'], never: ['@kubernetes/client-node'] },
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function filesOf(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
}

function importsOf(folder: string): Import[] {
  return filesOf(folder).flatMap((file) => {
    const path = join(root, folder, file);
    const text = readFileSync(path, 'utf8');
    return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'/gm)].map((match) => ({
      from: relative(root, path),
      to: match[2] ?? match[3] ?? '',
      typeOnly: match[1] !== undefined,
    }));
  });
}

describe.each(Object.entries(allowed))('%s', (folder, { folders, never = [] }) => {
  const imports = importsOf(folder);

  test('imports only from where the layering allows', () => {
    expect(filesOf(folder)).not.toEqual([]);
    const wrong = imports
      .filter(({ to }) => to.startsWith('.'))
      .map((entry) => ({ ...entry, target: relative(root, resolve(root, dirname(entry.from), entry.to)) }))
      .filter(({ target }) => ![folder, ...folders].some((open) => target.startsWith(`${open}/`)));
    expect(wrong).toEqual([]);
  });

  test('stays away from packages that are too heavy for it', () => {
    expect(imports.filter(({ to }) => never.some((name) => to === name || to.startsWith(`${name}/`)))).toEqual([]);
  });
});

test('templates take nothing but types from crds', () => {
  const values = importsOf('templates').filter(({ to, typeOnly }) => to.includes('/crds/') && !typeOnly);
  expect(values.map(({ from, to }) => `${from} <- ${to}`)).toEqual([]);
});

/** Folders of templates/, and the folders beside them that each may import. The sidecar works with any API, so it imports no API of ours. */
const templateFolders: Readonly<Record<string, readonly string[]>> = {
  runtime: [],
  'api-kit': ['runtime'],
  toolbridge: ['api-kit'],
  'sidecar/http': ['runtime'],
  'sidecar/settings': ['runtime'],
  'sidecar/auth': ['sidecar/http', 'sidecar/settings', 'runtime'],
  'sidecar/tools': ['sidecar/auth', 'sidecar/http', 'sidecar/settings', 'runtime'],
  'sidecar/audit': ['sidecar/tools', 'sidecar/auth', 'sidecar/http', 'sidecar/settings', 'runtime'],
  sidecar: ['sidecar/audit', 'sidecar/tools', 'sidecar/auth', 'sidecar/http', 'sidecar/settings', 'runtime'],
  '.': ['sidecar', 'runtime'],
};

test('folders of templates import in one direction', () => {
  const wrong = importsOf('templates')
    .filter(({ to }) => to.startsWith('.'))
    .map(({ from, to }) => ({ file: from, from: relative('templates', dirname(from)) || '.', to: dirname(join(dirname(from), to)) }))
    .filter(({ to }) => to === 'templates' || to.startsWith('templates/'))
    .map((entry) => ({ ...entry, to: relative('templates', entry.to) || '.' }))
    .filter(({ from, to }) => from !== to && !templateFolders[from]?.includes(to));
  expect(wrong).toEqual([]);
});

test('the sidecar loads no package that only APIs need', () => {
  const imports = importsOf('templates/sidecar');
  expect(imports).not.toEqual([]);
  expect(imports.filter(({ to }) => /^(fastify|kysely|pg|zod)($|\/)/.test(to))).toEqual([]);
});

test.each(['audit', 'json', 'net', 'problems'])("%s depends on no package, for it is in every tenant's pod", (folder) => {
  expect(importsOf(folder).filter(({ to }) => !to.startsWith('.') && !to.startsWith('node:'))).toEqual([]);
});

/** Packages whose folders import each other in one direction only. All of a package's root files together count as one folder. */
const layered = ['json', 'problems', 'net', 'crds', 'kube', 'audit', 'operator', 'control-plane', 'templates', 'local'];

interface FileImport {
  readonly from: string;
  readonly to: string;
}

/** Imports between folders that lie on a ring: the importing folder can be reached again from the imported one. */
function ringsOf(imports: readonly FileImport[]): FileImport[] {
  const between = imports.filter(({ from, to }) => dirname(from) !== dirname(to));
  const next = Map.groupBy(between, ({ from }) => dirname(from));
  const reaches = (start: string, goal: string): boolean => {
    const seen = new Set([start]);
    for (const folder of seen) for (const { to } of next.get(folder) ?? []) seen.add(dirname(to));
    return seen.has(goal);
  };
  return between.filter(({ from, to }) => reaches(dirname(to), dirname(from)));
}

test.each(layered)('no folder of %s imports back', (folder) => {
  const inside = importsOf(folder)
    .filter(({ to }) => to.startsWith('.'))
    .map(({ from, to }) => ({ from, to: relative(root, resolve(root, dirname(from), to)) }))
    .filter(({ to }) => to.startsWith(`${folder}/`));
  expect(ringsOf(inside).map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
});

test('finds rings of two and of three folders, and nothing else', () => {
  const ring = (...paths: string[]): FileImport[] => paths.map((from, index) => ({ from, to: paths[(index + 1) % paths.length] ?? from }));
  expect(ringsOf(ring('p/main.ts', 'p/a/one.ts'))).toHaveLength(2);
  expect(ringsOf([...ring('p/a/one.ts', 'p/b/two.ts', 'p/c/three.ts'), { from: 'p/main.ts', to: 'p/a/one.ts' }])).toHaveLength(3);
  expect(
    ringsOf([{ from: 'p/a/one.ts', to: 'p/b/two.ts' }, { from: 'p/c/three.ts', to: 'p/b/two.ts' }, ...ring('p/b/two.ts', 'p/b/four.ts')]),
  ).toEqual([]);
});
