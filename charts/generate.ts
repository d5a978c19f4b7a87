/**
 * Writes what the chart has from elsewhere: `node charts/generate.ts`, or `--check` to only compare. Copies of the custom resource definitions,
 * the roles and the built-in templates, because a packaged chart reaches nothing outside its folder; and the table of values in its README.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { emit } from '../crds/generated.ts';

const root = join(import.meta.dirname, '..');
const chart = join(import.meta.dirname, 'tenantry');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Source of each copy, by its path below the chart's files/. */
function copies(): Map<string, string> {
  const templates = readdirSync(join(root, 'templates')).filter((folder) => existsSync(join(root, 'templates', folder, 'template.yaml')));
  return new Map([
    ...readdirSync(join(root, 'crds'))
      .filter((name) => name.endsWith('.yaml'))
      .map((name): [string, string] => [`crds/${name}`, `crds/${name}`]),
    ...['operator', 'control-plane'].map((name): [string, string] => [`rbac/${name}.yaml`, `${name}/rbac.yaml`]),
    ['rbac/operator-confinement.yaml', 'operator/confinement.yaml'],
    ...templates.map((name): [string, string] => [`templates/${name}.yaml`, `templates/${name}/template.yaml`]),
  ]);
}

interface Value {
  readonly path: string;
  readonly initial: string;
  readonly description: string;
}

/** The values with the comments above them. A value without one is not documented, which is refused. */
function valuesOf(map: YAMLMap, prefix = ''): Value[] {
  return map.items.flatMap((pair, index): Value[] => {
    if (!isScalar(pair.key)) throw new Error('values.yaml: a key is not text');
    const path = `${prefix}${pair.key.value}`;
    // The parser attaches the comment before the first key of a map to the map.
    const comment = (index === 0 ? map.commentBefore : undefined) ?? pair.key.commentBefore;
    if (isMap(pair.value) && pair.value.items.length > 0 && comment === undefined) return valuesOf(pair.value, `${path}.`);
    if (!comment) throw new Error(`values.yaml: ${path} has no comment`);
    const initial = JSON.stringify(isMap(pair.value) ? pair.value.toJSON() : (pair.value as { toJSON(): unknown }).toJSON());
    return [{ path, initial, description: comment.trim().replace(/\s*\n\s*/g, ' ') }];
  });
}

/** README with the table of values between its two marks. */
function readme(): string {
  const document = parseDocument(readFileSync(join(chart, 'values.yaml'), 'utf8'));
  if (!isMap(document.contents)) throw new Error('values.yaml: is not a map');
  const plain = (text: string): string => text.replaceAll('|', '\\|').replace(/<([^>]+)>/g, '&lt;$1&gt;');
  const rows = valuesOf(document.contents).map(
    ({ path, initial, description }) => `| \`${path}\` | \`${initial}\` | ${plain(description)} |`,
  );
  const table = ['| value | default | meaning |', '|---|---|---|', ...rows].join('\n');
  const marks = /(<!-- values -->\n).*?(<!-- \/values -->)/s;
  const text = readFileSync(join(chart, 'README.md'), 'utf8');
  if (!marks.test(text)) throw new Error('charts/tenantry/README.md: the marks of the table of values are missing');
  return text.replace(marks, (_all, before: string, after: string) => `${before}${table}\n${after}`);
}

const files = new Map<string, string>([[join(chart, 'README.md'), readme()]]);
for (const [copy, source] of copies())
  files.set(join(chart, 'files', copy), `# Copied from ${source} by \`npm run generate\`. Do not edit.\n${read(source)}`);
emit(files);
