import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deadLetterFile } from '../../../../audit/dead-letters.ts';
import type { OperatorRecord } from '../../../../audit/record.ts';
import { OperatorAudit } from '../../../../operator/runtime/audit.ts';

const acme = { name: 'acme', uid: randomUUID() };
let dir: string;
let server: Server;
let answer: (records: readonly OperatorRecord[]) => { status: number; body?: object };
const received: OperatorRecord[] = [];
const tokens = new Set<string | undefined>();
const lines: Record<string, unknown>[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-operator-audit-'));
  for (const list of [received, lines]) list.length = 0;
  answer = () => ({ status: 200 });
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { records } = JSON.parse(Buffer.concat(chunks).toString()) as { records: OperatorRecord[] };
    const { status, body = { accepted: records.length, refused: [] } } = answer(records);
    if (status === 200) received.push(...records);
    tokens.add(request.headers.authorization);
    response.writeHead(status).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  writeFileSync(join(dir, 'token'), 'first\n');
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true });
});

const open = () =>
  new OperatorAudit({
    spoolDir: join(dir, 'spool'),
    controlPlaneUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    tokenFile: join(dir, 'token'),
    log: pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) }),
    now: Date.now,
  });

const close = (audit: OperatorAudit) => audit.close(AbortSignal.timeout(5_000));

test('sends rotations and reads of secrets with the current token', async () => {
  const audit = open();
  audit.rotated(acme, ['tenantry-database', 'tenantry-api-keys/default'], 'request');
  audit.secretsRead(acme, ['tenantry-database'], 'sweep');
  writeFileSync(join(dir, 'token'), 'second\n');
  await close(audit);
  expect(received).toMatchObject([
    { kind: 'rotation', tenant: acme, secrets: ['tenantry-database', 'tenantry-api-keys/default'], cause: 'request', outcome: 'ok' },
    { kind: 'secret-read', tenant: acme, secrets: ['tenantry-database'], purpose: 'sweep', outcome: 'ok' },
  ]);
  expect([...tokens].at(-1)).toBe('Bearer second');
  expect(lines).toEqual([]);
});

test('leaves unsent records to the next process', async () => {
  const first = open();
  first.secretsRead(acme, ['a'], 'sweep');
  answer = () => ({ status: 503 });
  await close(first);
  expect(received).toEqual([]);
  answer = () => ({ status: 200 });
  const second = open();
  second.secretsRead(acme, ['b'], 'sweep');
  await close(second);
  expect(received.map(({ secrets }) => secrets)).toEqual([['a'], ['b']]);
});

test('sends the others when one record is refused', async () => {
  const audit = open();
  for (const secret of ['a', 'b', 'c', 'd', 'e']) audit.secretsRead(acme, [secret], 'sweep');
  answer = (records) => ({ status: records.some(({ secrets }) => secrets.includes('d')) ? 422 : 200 });
  await close(audit);
  expect(received.map(({ secrets }) => secrets[0])).toEqual(['a', 'b', 'c', 'e']);
  expect(lines).toMatchObject([{ msg: 'audit record refused', reason: 'the control plane answered 422', kept: true }]);
  expect(JSON.stringify(lines)).not.toContain('"d"');
  expect(audit.refused).toBe(1);
  expect(JSON.parse(readFileSync(join(dir, 'spool', deadLetterFile), 'utf8'))).toMatchObject({ record: { secrets: ['d'], tenant: acme } });
});

test('logs the record when the spool cannot be written', () => {
  const audit = open();
  rmSync(join(dir, 'spool'), { recursive: true });
  audit.rotated(acme, ['a'], 'schedule');
  expect(lines).toMatchObject([{ msg: 'audit record not kept', record: { kind: 'rotation', secrets: ['a'] } }]);
  expect(audit.lost).toBe(1);
});
