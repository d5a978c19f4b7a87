/** The control plane's tables in a database of their own, for tests that tamper with them or stop the server. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { newRecordId } from '../../../../audit/record.ts';
import type { NewRecord } from '../../../../control-plane/audit/ledger.ts';
import { Store } from '../../../../control-plane/store/store.ts';
import type { Postgres } from '../../../../local/postgres/start.ts';
import { startStore } from '../store-server.ts';

export const silent = pino({ level: 'silent' });

export interface AuditStore {
  readonly url: string;
  readonly postgres: Postgres;
  readonly dir: string;
  /** A connection pool of its own, as each replica has one. */
  open(): Promise<Store>;
  stop(): Promise<void>;
}

export async function startAuditStore(server: 'shared' | 'own' = 'shared'): Promise<AuditStore> {
  const dir = mkdtempSync(join(tmpdir(), 'tenantry-audit-'));
  // PostgreSQL runs as another user, who must be able to pass through.
  chmodSync(dir, 0o711);
  const { postgres, storeUrl: url } = await startStore(dir, server);
  const ending = new AbortController();
  const stores: { store: Store; running: Promise<void> }[] = [];
  return {
    url,
    postgres,
    dir,
    async open() {
      const store = new Store({ url, log: silent, connections: 5 });
      stores.push({ store, running: store.run(ending.signal) });
      while (!store.migrated) await delay(20);
      return store;
    },
    async stop() {
      ending.abort();
      for (const { store, running } of stores) {
        await running;
        await store.close();
      }
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface TestTenant {
  readonly name: string;
  readonly uid: string;
}

/** A tool call of a tenant, as it comes out of the intake. */
export function toolCall(tenant: TestTenant, change: Partial<NewRecord> = {}): NewRecord {
  return {
    id: newRecordId(),
    kind: 'tool-call',
    time: new Date().toISOString(),
    actor: 'user_1',
    action: 'tools.call',
    outcome: 'ok',
    tenant,
    requestId: 'request-1',
    details: { tool: 'list_items', arguments: { limit: 3 }, durationMs: 12.5 },
    ...change,
  };
}
