import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { properties, table } from '../../cli/output/table.ts';
import { ago } from '../../cli/output/text.ts';
import { run } from '../../cli/program.ts';
import { recorder } from './recorder.ts';

describe('a table', () => {
  test('has columns as wide as their widest cell, wide characters counted', () => {
    const rows = [
      { name: 'acme', title: 'Acme' },
      { name: 'globex-gmbh', title: '東京' },
    ];
    expect(table(rows, { NAME: (row) => row.name, TITLE: (row) => row.title, LAST: () => 'x' })).toBe(
      'NAME         TITLE  LAST\nacme         Acme   x\nglobex-gmbh  東京   x\n',
    );
  });

  test('takes more rows than a call takes arguments', () => {
    const rows = Array.from({ length: 300_000 }, (_, index) => String(index));
    expect(table(rows, { N: (row) => row }).split('\n')).toHaveLength(300_002);
  });

  test('lets no control character of others reach the terminal', () => {
    const hostile = 'a\u001b[2J\u0007b\nc\u202ed';
    expect(table([hostile], { X: (row) => row })).toBe('X\na [2J b c d\n');
    expect(properties({ Name: hostile })).toBe('Name:  a [2J b c d\n');
  });
});

test.each([
  ['2026-11-21T11:59:15Z', '45s'],
  ['2026-11-21T11:30:00Z', '30m'],
  ['2026-11-20T12:00:00Z', '24h'],
  ['2026-11-01T12:00:00Z', '20d'],
  [undefined, ''],
  ['nonsense', ''],
])('%s is %s ago', (time, expected) => {
  expect(ago(time, new Date('2026-11-21T12:00:00Z'))).toBe(expected);
});

// The clients that diagnose needs are loaded, which takes its time on a busy machine.
describe('the command line', { timeout: 60_000 }, () => {
  test.each([
    [['--help'], 'ok'],
    [['--version'], 'ok'],
    [['diagnose', '--help'], 'ok'],
    [[], 'usage'],
    [['nonsense'], 'usage'],
    [['diagnose'], 'usage'],
    [['diagnose', 'acme', '--nonsense'], 'usage'],
    [['--output', 'xml', 'context', 'list'], 'usage'],
    [['context', 'use', 'nowhere'], 'notFound'],
    [['--context', 'nowhere', 'diagnose', 'acme'], 'usage'],
    [['diagnose', 'https://user:secret@example.com/mcp'], 'usage'],
    [['diagnose', 'acme', '--no-cluster'], 'unavailable'],
  ])('%j ends as %s', async (args, outcome) => {
    const { terminal, written } = recorder();
    expect(await run(terminal, args)).toBe(outcome);
    if (outcome === 'ok') expect(written).toMatchObject({ out: expect.stringMatching(/./), err: '' });
    else expect(written).toMatchObject({ out: '', err: expect.stringMatching(/./) });
    expect(written.err).not.toContain('secret@');
  });

  test('every command has help with an example', async () => {
    const commands: string[][] = [];
    const collect = async (path: string[]): Promise<void> => {
      const { terminal, written } = recorder();
      expect(await run(terminal, [...path, '--help'])).toBe('ok');
      const [, listed = ''] = /Commands:\n([\s\S]*?)(?:\n\n|$)/.exec(written.out) ?? [];
      const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'help');
      if (names.length === 0) {
        commands.push(path);
        expect(written.out, path.join(' ')).toMatch(/Examples?:\n {2}/);
      }
      for (const name of names) await collect([...path, name]);
    };
    await collect([]);
    expect(commands.length).toBeGreaterThan(30);
  });

  test('an option that is nearly right is told which', async () => {
    const { terminal, written } = recorder();
    await run(terminal, ['diagnose', 'acme', '--bundel', 'x']);
    expect(written.err).toContain('--bundle');
  });

  test('no colour goes where none is wanted, and some where they are', async () => {
    const plain = recorder();
    await run(plain.terminal, ['context', 'use', 'nowhere']);
    expect(plain.written.err).not.toContain('\u001b');
    const coloured = recorder({}, { out: true, err: true });
    await run(coloured.terminal, ['context', 'use', 'nowhere']);
    expect(coloured.written.err).toContain('\u001b[31m');
  });

  test('an answer that nobody expected is told as such, and where on demand', async () => {
    const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const env = { TENANTRY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, TENANTRY_TOKEN: 'x' };
    try {
      const { terminal, written } = recorder(env);
      expect(await run(terminal, ['tenants', 'get', 'acme'])).toBe('failed');
      expect(written.err).toContain('tenantry did not expect this');
      const debugging = recorder({ ...env, TENANTRY_DEBUG: '1' });
      await run(debugging.terminal, ['tenants', 'get', 'acme']);
      expect(debugging.written.err).toContain('cli/tenants/show.ts');
    } finally {
      server.close();
    }
  });

  test('a URL that is none is told as such, whatever is in it', async () => {
    const { terminal, written } = recorder({ TENANTRY_URL: 'ftp://example.com' });
    expect(await run(terminal, ['diagnose', 'acme', '--no-cluster'])).toBe('usage');
    expect(written.err).toContain('TENANTRY_URL must be an http or https URL');
  });
});
