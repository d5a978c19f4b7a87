import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { reservedTenantNames } from '../../crds/names.ts';

const chart = join(import.meta.dirname, '../../charts/tenantry');
const read = (path: string): string => readFileSync(join(chart, path), 'utf8');
const templates = readdirSync(join(chart, 'templates'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(yaml|tpl|txt)$/.test(file))
  .map((file) => ({ file, text: read(`templates/${file}`) }));
const everything = templates.map(({ text }) => text).join('\n');

type Json = { readonly [key: string]: unknown };
const values = parse(read('values.yaml')) as Json;
const schema = JSON.parse(read('values.schema.json')) as Json;
const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Paths of all values; maps that are a value themselves, such as annotations, are empty by default. */
function pathsOf(map: Json, prefix = ''): string[] {
  return Object.entries(map).flatMap(([key, value]) =>
    isMap(value) && Object.keys(value).length > 0 && key !== 'resources' ? pathsOf(value, `${prefix}${key}.`) : [`${prefix}${key}`],
  );
}

/** As Helm merges: maps by key, everything else replaced. */
function merge(base: Json, over: Json): Json {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = base[key];
    merged[key] = isMap(below) && isMap(value) ? merge(below, value) : value;
  }
  return merged;
}

function subschemas(node: unknown): Json[] {
  if (Array.isArray(node)) return node.flatMap(subschemas);
  if (!isMap(node)) return [];
  return [node, ...Object.values(node).flatMap(subschemas)];
}

describe('the values', () => {
  const validate = new Ajv({ allErrors: true }).compile(schema);

  test.each(readdirSync(join(chart, 'ci')))('fit the schema in ci/%s', (file) => {
    validate(merge(values, parse(read(`ci/${file}`)) as Json));
    expect(validate.errors ?? []).toEqual([]);
  });

  test.each([
    ['a misspelt value', { baseURL: 'https://mcp.example.com' }],
    ['a misspelt value inside', { routing: { Mode: 'host' } }],
    ['a base URL without scheme', { baseUrl: 'mcp.example.com' }],
    ['credentials in the base URL', { baseUrl: 'https://user:password@mcp.example.com' }],
    ['a mode that does not exist', { routing: { mode: 'subdomain' } }],
    ['an API key in place of a reference', { workos: { existingSecret: 'sk_live_1' } }],
    ['a client ID of something else', { workos: { clientId: 'sk_live_1' } }],
    ['no replica', { operator: { replicas: 0 } }],
    ['annotations that are no text', { routing: { ingress: { annotations: { a: true } } } }],
    ['a quantity with a wrong unit', { operator: { resources: { limits: { memory: '512MB' } } } }],
    ['a test tenant whose name no tenant can have', { smokeTest: { tenant: '1st' } }],
    ['an address without port', { verify: { address: 'traefik.traefik.svc' } }],
  ])('are refused with %s', (_what, wrong) => {
    expect(validate(merge(values, wrong))).toBe(false);
  });

  test('are each required by the schema, and nothing beside them is allowed', () => {
    const maps = subschemas(schema).filter((node) => isMap(node['properties']) && node['type'] === 'object');
    expect(maps.filter((node) => node['additionalProperties'] !== false)).toEqual([]);
    const validated = (path: string): unknown => {
      const copy = structuredClone(values) as Record<string, unknown>;
      const keys = path.split('.');
      const last = keys.pop() ?? '';
      delete keys.reduce((map, key) => map[key] as Record<string, unknown>, copy)[last];
      return validate(copy);
    };
    expect(pathsOf(values).filter((path) => validated(path))).toEqual([]);
  });

  test('are each used by a template, and no template uses another', () => {
    const known = pathsOf(values);
    const used = [...everything.matchAll(/\.Values\.([\w.]+)/g)].map(([, path = '']) => path);
    expect(used.filter((path) => !known.some((value) => value === path || value.startsWith(`${path}.`)))).toEqual([]);
    // A template may take the map (`with .Values.routing.gateway`) and its keys from there.
    const last = (path: string): string => path.split('.').at(-1) ?? '';
    const parent = (path: string): string => path.split('.').slice(0, -1).join('.');
    const isUsed = (path: string): boolean =>
      used.includes(path) ||
      (everything.includes(`.${last(path)}`) && used.some((other) => other === parent(path) || parent(path).startsWith(`${other}.`)));
    expect(known.filter((path) => !isUsed(path))).toEqual([]);
  });
});

describe('the templates', () => {
  test('render the same again: no look-ups, nothing random, nothing of the time', () => {
    expect(everything).not.toMatch(/\b(lookup|rand\w+|uuidv4|now|gen(CA|SelfSigned|Signed|PrivateKey)\w*|htpasswd|date\w*) /);
  });

  test.each([
    ['operator', '../../operator/installation/settings.ts'],
    ['control-plane', '../../control-plane/settings.ts'],
  ])('tell the %s only what it asks for', (component, settings) => {
    const text = templates.filter(({ file }) => file.startsWith(component)).map((template) => template.text);
    const names = [...text.join('\n').matchAll(/- name: ([A-Z][A-Z_]+)$/gm)].map(([, name = '']) => name);
    const asked = readFileSync(join(chart, settings), 'utf8');
    expect(names.length).toBeGreaterThan(5);
    // Node itself asks for its options.
    expect(names.filter((name) => name !== 'NODE_OPTIONS' && !asked.includes(name))).toEqual([]);
  });
});

test('the reserved names are those of tenants', () => {
  const [, list = ''] = /\$reserved := list (.*?) -\}\}/.exec(read('templates/_validate.tpl')) ?? [];
  expect([...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name)).toEqual(reservedTenantNames);
});

test('versions of chart, images and package agree', () => {
  const { version } = JSON.parse(readFileSync(join(chart, '../../package.json'), 'utf8')) as { version: string };
  const { version: chartVersion, appVersion } = parse(read('Chart.yaml')) as Json;
  expect([chartVersion, appVersion]).toEqual([version, version]);
});
