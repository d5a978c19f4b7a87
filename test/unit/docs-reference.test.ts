import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { reasonsOf } from '../../crds/conditions.ts';
import { metricsIn } from '../../docs/metrics.ts';
import { eventReasons } from '../../operator/runtime/event-reasons.ts';

const root = resolve(import.meta.dirname, '../..');
const page = (name: string): string => readFileSync(join(root, `docs/reference/${name}.md`), 'utf8');
const sourcesOf = (folder: string): { file: string; text: string }[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(join(root, folder, file), 'utf8') }));

describe('the reference of metrics', () => {
  test('has every metric of every folder that uses prom-client', () => {
    const folders = ['audit', 'cli', 'control-plane', 'crds', 'json', 'kube', 'local', 'operator', 'problems', 'templates'];
    const metrics = folders.flatMap(sourcesOf).flatMap(({ file, text }) => metricsIn(text, file));
    expect(metrics.length).toBeGreaterThan(20);
    for (const { name, help } of metrics) {
      expect(page('metrics')).toContain(`| \`${name}\` |`);
      expect(help).toMatch(/\.$/);
    }
  });

  test('reads type, labels and help of a metric', () => {
    const text = "new Gauge<'a'>({ name: 'open', help: 'Open ones.', labelNames: ['a', 'b'], registers })";
    expect(metricsIn(text, 'x.ts')).toEqual([{ name: 'open', type: 'gauge', help: 'Open ones.', labels: ['a', 'b'] }]);
  });

  test('refuses a metric without a plain name or help', () => {
    expect(() => metricsIn("new Counter({ name: 'a', registers })", 'x.ts')).toThrow('x.ts: a Counter has no help');
    expect(() => metricsIn("new Counter({ name, help: 'A.', registers })", 'x.ts')).toThrow('x.ts: a Counter has no name');
  });
});

describe('the reference of Events', () => {
  const operator = sourcesOf('operator').filter(({ file }) => !file.endsWith('event-reasons.ts'));

  test.each(Object.entries(eventReasons))('has %s, which the operator records', (reason, { type, description }) => {
    expect(page('events')).toContain(`| \`${reason}\` | ${type} | ${description} |`);
    expect(operator.some(({ text }) => new RegExp(`events\\.record\\([^;]*'${reason}'`).test(text))).toBe(true);
  });
});

test('the reference of conditions has every reason', () => {
  for (const type of ['TemplateResolved', 'WorkloadAvailable', 'AuthorizationReady', 'Stalled'] as const)
    for (const reason of reasonsOf(type)) expect(page('conditions')).toContain(`| \`${reason}\` |`);
});
