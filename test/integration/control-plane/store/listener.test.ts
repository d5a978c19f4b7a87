import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Listener } from '../../../../control-plane/store/listener.ts';
import { eventually } from '../../../eventually.ts';
import { Gate } from '../../../gate.ts';
import { type StoreServer, startStore } from '../store-server.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-listener-'));
let server: StoreServer;
let gate: Gate;
let url: URL;

beforeAll(async () => {
  chmodSync(dir, 0o711);
  server = await startStore(dir, 'shared');
  url = new URL(server.storeUrl);
  gate = new Gate(Number(url.port));
  url.port = String(await gate.listen());
});

afterAll(async () => {
  gate.stop();
  await server.postgres.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('ends at once while PostgreSQL hangs', { timeout: 20_000 }, async () => {
  const listener = new Listener(url.href, pino({ level: 'silent' }));
  const ending = new AbortController();
  const running = listener.run(ending.signal);
  await eventually('it listens', async () => listener.connected);
  gate.hang();
  ending.abort();
  await running;
  expect(listener.connected).toBe(false);
});
