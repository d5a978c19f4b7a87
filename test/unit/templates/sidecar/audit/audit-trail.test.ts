import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterFile } from '../../../../../audit/dead-letters.ts';
import { RecordsRefused, type RefusedRecord, SendLater } from '../../../../../audit/delivery.ts';
import type { ToolCallRecord } from '../../../../../audit/record.ts';
import { SpoolFull } from '../../../../../audit/spool.ts';
import { AuditTrail, brokenMs } from '../../../../../templates/sidecar/audit/audit-trail.ts';
import { ControlPlaneUnavailable } from '../../../../../templates/sidecar/auth/control-plane.ts';
import { type KeyUse, KeyUses } from '../../../../../templates/sidecar/auth/key-uses.ts';
import type { Tool } from '../../../../../templates/sidecar/settings/tool.ts';

const tool: Tool = {
  name: 'list_notes',
  title: undefined,
  description: undefined,
  inputSchema: { type: 'object', properties: { n: { type: 'integer' } } },
  annotations: { readOnlyHint: true, openWorldHint: false },
  tags: [],
  method: 'GET',
  path: '/v1/notes',
  bindings: [],
  body: undefined,
};

describe('the audit trail', () => {
  let folder: string;
  let time: number;
  let logged: string;
  let taken: ToolCallRecord[];
  let told: KeyUse[];
  let fault: (records: readonly ToolCallRecord[]) => Error | undefined;
  let refused: (records: readonly ToolCallRecord[]) => readonly RefusedRecord[];
  let keyUses: KeyUses;
  let trail: AuditTrail;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenantry-trail-'));
    time = Date.UTC(2026, 10, 21);
    logged = '';
    taken = [];
    told = [];
    fault = () => undefined;
    refused = () => [];
    keyUses = new KeyUses(() => time);
    trail = new AuditTrail({
      dir: join(folder, 'spool'),
      send: async (records, keys) => {
        const error = fault(records);
        if (error !== undefined) throw error;
        taken.push(...records);
        told.push(...keys);
        return refused(records);
      },
      keyUses,
      clock: () => time,
      logger: pino({ level: 'info' }, { write: (line: string) => (logged += line) }),
    });
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const record = (n: number) =>
    trail.record({ tool, args: { n }, caller: { subject: 'user_ada', scopes: [] }, requestId: 'r', durationMs: 1.4, outcome: 'ok' });
  const numbers = () => taken.map(({ arguments: args }) => (args as { n: number }).n);
  const delivered = async () => await trail.close(AbortSignal.timeout(2000));

  it('reports the age of the oldest unsent record', async () => {
    expect(await trail.oldestSeconds()).toBe(0);
    record(1);
    time += 7000;
    record(2);
    expect(await trail.oldestSeconds()).toBe(7);
    await delivered();
    expect(numbers()).toEqual([1, 2]);
    expect(await trail.oldestSeconds()).toBe(0);
  });

  it('refuses tool calls for a while after a record could not be written, and logs the record', async () => {
    record(1);
    await delivered();
    renameSync(join(folder, 'spool'), join(folder, 'away'));
    writeFileSync(join(folder, 'spool'), 'no folder');
    expect(trail.full).toBe(false);
    expect(() => record(2)).toThrow(SpoolFull);
    expect(logged).toMatch(/"record":\{.*"n":2.*"msg":"audit record not written"/);
    expect(trail.full).toBe(true);
    rmSync(join(folder, 'spool'));
    renameSync(join(folder, 'away'), join(folder, 'spool'));
    time += brokenMs - 1;
    expect(trail.full).toBe(true);
    time += 1;
    expect(trail.full).toBe(false);
    record(3);
    await delivered();
    expect(numbers()).toEqual([1, 3]);
  });

  it('finds the records at fault in a refused batch, and delivers all others in order', async () => {
    const bad = new Set([3, 64]);
    fault = (records) => (records.some(({ arguments: args }) => bad.has((args as { n: number }).n)) ? new RecordsRefused('no') : undefined);
    for (let n = 1; n <= 100; n++) record(n);
    await delivered();
    expect(numbers()).toEqual(Array.from({ length: 100 }, (_, n) => n + 1).filter((n) => !bad.has(n)));
    expect(logged.match(/"msg":"audit record refused"/g)).toHaveLength(2);
    expect(trail.refused).toBe(2);
  });

  it('moves a refused record to the dead letters, and logs none of its content', async () => {
    refused = (records) => records.slice(0, 1).map(({ id }) => ({ id, message: '/time must be later' }));
    record(71_077_345);
    record(2);
    await delivered();
    expect([trail.bytes, trail.refused]).toEqual([0, 1]);
    expect(logged).toMatch(/"id":"[-0-9a-f]{36}","reason":"\/time must be later","kept":true.*"audit record refused"/);
    expect(logged).not.toMatch(/71077345|list_notes|user_ada/);
    const lines = readFileSync(join(folder, 'spool', deadLetterFile), 'utf8')
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { time: '2026-11-21T00:00:00.000Z', reason: '/time must be later', record: { subject: 'user_ada', arguments: { n: 71_077_345 } } },
    ]);
  });

  it('keeps records while the control plane is overloaded', async () => {
    fault = () => new SendLater('enough', 7_000);
    record(1);
    await trail.close(AbortSignal.timeout(50));
    expect(taken).toEqual([]);
    expect([trail.bytes > 0, trail.refused]).toEqual([true, 0]);
  });

  it('retries until the deadline while the control plane is away, and keeps undelivered records', async () => {
    let attempts = 0;
    fault = () => (++attempts < 3 ? new ControlPlaneUnavailable('away', 1) : undefined);
    record(1);
    keyUses.note('abc');
    await delivered();
    expect(numbers()).toEqual([1]);
    expect(told).toEqual([{ id: 'abc', lastUsedAt: '2026-11-21T00:00:00.000Z' }]);
    expect(attempts).toBe(3);
    fault = () => new ControlPlaneUnavailable('away', 1);
    record(2);
    await trail.close(AbortSignal.timeout(50));
    expect(logged).toContain('audit records left in the spool');
    expect(trail.bytes).toBeGreaterThan(0);
  });
});
