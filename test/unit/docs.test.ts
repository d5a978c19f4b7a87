import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const pages = ['README.md', 'CONTRIBUTING.md', 'charts/tenantry/README.md'].concat(
  readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
);

test('every test that the security model names exists', () => {
  const text = readFileSync(join(root, 'docs/security.md'), 'utf8');
  const named = [...text.matchAll(/`((?:unit|integration|story|chaos|e2e)\/[a-z0-9/-]+)`/g)].map(([, name]) => `test/${name}.test.ts`);
  expect(named.length).toBeGreaterThan(40);
  expect(named.filter((file) => !existsSync(join(root, file)))).toEqual([]);
});

test.each(pages)('the links of %s lead somewhere', (page) => {
  const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, to = '']) => to);
  expect(links.filter((to) => !existsSync(join(root, dirname(page), to)))).toEqual([]);
});

test.each(pages)('%s runs the command line by its path', (page) => {
  // Outside of the checkout npx would ask a registry for a package of that name, and run it.
  expect(readFileSync(join(root, page), 'utf8')).not.toContain('npx tenantry');
});
