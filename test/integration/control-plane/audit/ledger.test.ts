import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { genesis, hashOf } from '../../../../audit/chain.ts';
import { newRecordId } from '../../../../audit/record.ts';
import { Audit } from '../../../../control-plane/audit/actions.ts';
import { chainedRecordOf } from '../../../../control-plane/audit/chain-reader.ts';
import { Ledger } from '../../../../control-plane/audit/ledger.ts';
import type { Admin } from '../../../../control-plane/identity/admins.ts';
import { isStoreUnavailable } from '../../../../control-plane/store/failures.ts';
import type { Store } from '../../../../control-plane/store/store.ts';
import type { Tenant } from '../../../../crds/tenant.ts';
import { startPostgres } from '../../../../local/postgres/start.ts';
import { type AuditStore, silent, startAuditStore, toolCall } from './store.ts';

let postgres: AuditStore;
let store: Store;

beforeAll(async () => {
  postgres = await startAuditStore('own');
  store = await postgres.open();
});

afterAll(() => postgres.stop());

const tenant = (name = 'acme') => ({ name, uid: randomUUID() });
const rows = (chain: string) => store.db.selectFrom('audit_records').selectAll().where('chain', '=', chain).orderBy('sequence').execute();

const admin: Admin = {
  userId: 'user_01',
  organizationId: 'org_01',
  role: 'platform-admin',
  permissions: new Set(['tenants:write']),
  platform: true,
};

describe('a chain', () => {
  test('has each record once, in order, linked to the record before', async () => {
    const acme = tenant();
    const ledger = new Ledger(store.db);
    const first = [toolCall(acme), toolCall(acme)];
    const second = [toolCall(acme), first[1], toolCall(acme)].filter((record) => record !== undefined);
    expect(await ledger.append(first)).toBe(2);
    expect(await ledger.append(second)).toBe(2);
    expect(await ledger.append(second)).toBe(0);
    const chained = await rows(acme.uid);
    expect(chained.map(({ sequence }) => Number(sequence))).toEqual([1, 2, 3, 4]);
    expect(chained.map(({ id }) => id)).toEqual([first[0]?.id, first[1]?.id, second[0]?.id, second[2]?.id]);
    expect(chained.map(({ previous }) => previous)).toEqual([genesis, ...chained.slice(0, -1).map(({ hash }) => hash)]);
    const head = await store.db.selectFrom('audit_heads').selectAll().where('chain', '=', acme.uid).execute();
    expect(head).toMatchObject([{ sequence: '4', hash: chained[3]?.hash }]);
  });

  test('hashes records with any characters as documented', async () => {
    const acme = tenant();
    const details = { tool: 'x', arguments: { 'ü \u0000 \ud800': ['\u2028', 1e21, -0, 0.1, null, { b: 1, a: '' }] } };
    await new Ledger(store.db).append([toolCall(acme, { details, organizationId: 'org_1' })]);
    const [row] = await rows(acme.uid);
    const rebuilt = {
      chain: acme.uid,
      month: row?.month ?? '',
      sequence: 1,
      previous: genesis,
      record: {
        id: row?.id ?? '',
        kind: 'tool-call' as const,
        time: row?.time.toISOString() ?? '',
        received: row?.received.toISOString() ?? '',
        actor: 'user_1',
        organizationId: 'org_1',
        action: 'tools.call',
        outcome: 'ok',
        tenant: acme,
        requestId: 'request-1',
        details: row?.details as typeof details,
      },
    };
    expect(rebuilt.record.details).toEqual({
      ...details,
      arguments: { 'ü \u0000 \ud800': ['\u2028', 1e21, 0, 0.1, null, { b: 1, a: '' }] },
    });
    expect(hashOf(rebuilt)).toBe(row?.hash);
  });

  test('has no gap and no duplicate when several replicas append to several chains', async () => {
    const tenants = [tenant('a'), tenant('b'), tenant('c')];
    const replicas = [new Ledger(store.db), new Ledger((await postgres.open()).db), new Ledger((await postgres.open()).db)];
    const batches = Array.from({ length: 60 }, (_, index) => {
      const order = index % 2 === 0 ? tenants : tenants.toReversed();
      return order.flatMap((each) => [toolCall(each), toolCall(each)]);
    });
    // Each batch is sent to two replicas, as by a sender that received no answer.
    const added = await Promise.all(
      batches.flatMap((batch, index) => [replicas[index % 3]?.append(batch), replicas[(index + 1) % 3]?.append(batch)]),
    );
    expect(added.reduce<number>((sum, count) => sum + (count ?? 0), 0)).toBe(360);
    for (const { uid } of tenants) {
      const chained = await rows(uid);
      expect(chained.map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: 120 }, (_, index) => index + 1));
      expect(chained.slice(1).map(({ previous }) => previous)).toEqual(chained.slice(0, -1).map(({ hash }) => hash));
      expect(new Set(chained.map(({ id }) => id)).size).toBe(120);
    }
  });

  test('stores many single records in few transactions, once and in order', async () => {
    const acme = tenant();
    const ledger = new Ledger(store.db);
    const records = Array.from({ length: 300 }, () => toolCall(acme));
    await Promise.all(records.map((record) => ledger.join(record)));
    const chained = await rows(acme.uid);
    expect(chained.map(({ id }) => id)).toEqual(records.map(({ id }) => id));
    // All records of a transaction have the same time.
    expect(new Set(chained.map(({ received }) => received.getTime())).size).toBeLessThan(5);
    await ledger.join(toolCall(acme));
    expect(await rows(acme.uid)).toHaveLength(301);
  });

  test('stores single records of many chains in few transactions; a record that cannot be stored fails alone', async () => {
    const ledger = new Ledger(store.db);
    const tenants = Array.from({ length: 100 }, (_, index) => tenant(`many-${index}`));
    const poison = { ...toolCall(tenants[50] ?? tenant()), time: '0000-01-01T00:00:00.000Z' };
    const outcomes = await Promise.allSettled([...tenants.map((each) => ledger.join(toolCall(each))), ledger.join(poison)]);
    expect(outcomes.map(({ status }) => status)).toEqual([...tenants.map(() => 'fulfilled'), 'rejected']);
    await Promise.all(tenants.map((each) => ledger.join(toolCall(each))));
    const found = await store.db
      .selectFrom('audit_records')
      .select(['chain', 'sequence', 'received'])
      .where(
        'chain',
        'in',
        tenants.map(({ uid }) => uid),
      )
      .execute();
    expect(found).toHaveLength(200);
    // All records of a transaction have the same time. The first transaction has the first record, the next one has all others.
    const second = found.filter(({ sequence }) => Number(sequence) === 2);
    expect(second).toHaveLength(100);
    expect(new Set(second.map(({ received }) => received.getTime())).size).toBeLessThan(5);
  });

  test('accepts records again after a failed transaction', async () => {
    const acme = tenant();
    const lone = await postgres.open();
    const ledger = new Ledger(lone.db);
    await lone.close();
    const outcomes = await Promise.allSettled([ledger.join(toolCall(acme)), ledger.join(toolCall(acme))]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(ledger.join(toolCall(acme))).rejects.toThrow();
    await new Ledger(store.db).join(toolCall(acme));
    expect(await rows(acme.uid)).toHaveLength(1);
  });

  test('stores all records that the database can store and returns the others', async () => {
    const acme = tenant();
    const records = Array.from({ length: 9 }, () => toolCall(acme));
    const refused = [2, 3, 8].map((index) => {
      const poison = { ...toolCall(acme), time: '0000-01-01T00:00:00.000Z' };
      records[index] = poison;
      return poison;
    });
    expect(await new Ledger(store.db).appendStorable(records)).toEqual({ added: 6, refused });
    const expected = records.filter((record) => !refused.includes(record)).map(({ id }) => id);
    expect((await rows(acme.uid)).map(({ id }) => id)).toEqual(expected);
    // An unavailable database refuses no record.
    const lone = await postgres.open();
    const ledger = new Ledger(lone.db);
    await lone.close();
    await expect(ledger.appendStorable(records)).rejects.toThrow();
  });

  test('links a month to the month before and never returns to an earlier month', async () => {
    const acme = tenant();
    const ledger = new Ledger(store.db);
    await ledger.append([toolCall(acme), toolCall(acme)]);
    const [, last] = await rows(acme.uid);
    // The clock seems to have been ahead. Neither `received` nor the month may go back.
    await store.db
      .updateTable('audit_chains')
      .set({ received: new Date('2099-02-03T04:05:06.789Z') })
      .where('chain', '=', acme.uid)
      .execute();
    await ledger.append([toolCall(acme), toolCall(acme)]);
    const next = (await rows(acme.uid)).filter(({ month }) => month === '2099-02');
    expect(next.map(({ sequence, received }) => [Number(sequence), received.toISOString()])).toEqual([
      [1, '2099-02-03T04:05:06.789Z'],
      [2, '2099-02-03T04:05:06.789Z'],
    ]);
    expect(next[0]?.previous).toBe(last?.hash);
  });

  test('compares ids only within the chain of a tenant', async () => {
    const [a, b] = [tenant('a'), tenant('b')];
    const id = newRecordId();
    expect(await new Ledger(store.db).append([toolCall(a, { id }), toolCall(b, { id })])).toBe(2);
  });
});

describe('kills while replicas append', () => {
  test('lose no record, duplicate no record and break no chain', async () => {
    const tenants = [tenant('a'), tenant('b'), tenant('c')];
    const replicas = [new Ledger(store.db), new Ledger((await postgres.open()).db)];
    const sent: string[] = [];
    let failures = 0;
    // As senders do, the same batch is sent again until a replica has stored it.
    const send = async (replica: number, batch: number) => {
      const records = tenants.flatMap((each) => [toolCall(each), toolCall(each)]);
      sent.push(...records.map(({ id }) => id));
      for (let attempt = replica; ; attempt += 1) {
        const done = await replicas[attempt % 2]?.append(batch % 2 === 0 ? records : records.toReversed()).catch((error: unknown) => {
          if (!isStoreUnavailable(error)) throw error;
          failures += 1;
        });
        if (done !== undefined) return;
      }
    };
    await send(0, 0);
    // An append that waits for a lock is killed, eight times, so that the test ends on a slow machine too.
    let isDone = false;
    const waits = sql<{ pid: number }>`SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    const killing = Promise.withResolvers<void>();
    const killer = (async () => {
      for (let round = 0; round < 8 && !isDone; round += 1) {
        await store.db.transaction().execute(async (transaction) => {
          await sql`SELECT FROM audit_chains WHERE chain = ${tenants[round % 3]?.uid} FOR UPDATE`.execute(transaction);
          killing.resolve();
          let found: readonly { pid: number }[] = [];
          // Outside the transaction, in which the value would not change.
          while (found.length === 0 && !isDone) found = (await waits.execute(store.db)).rows;
          for (const { pid } of found) await sql`SELECT pg_terminate_backend(${pid})`.execute(store.db);
        });
      }
    })();
    await killing.promise;
    const sending = [0, 1].map(async (replica) => {
      for (let batch = 1; batch < 40 + replica; batch += 1) await send(replica, batch);
    });
    await Promise.all(sending).finally(() => {
      isDone = true;
    });
    await killer;
    expect(failures).toBeGreaterThan(0);
    for (const { uid } of tenants) {
      const chained = await rows(uid);
      expect(chained.map(({ sequence }) => Number(sequence))).toEqual(Array.from({ length: 160 }, (_, index) => index + 1));
      expect(new Set(chained.map(({ id }) => id))).toEqual(new Set(chained.map(({ id }) => id).filter((id) => sent.includes(id))));
      expect(chained.map(({ hash }) => hash)).toEqual(chained.map((row) => hashOf(chainedRecordOf(row))));
      expect(chained.slice(1).map(({ previous }) => previous)).toEqual(chained.slice(0, -1).map(({ hash }) => hash));
    }
    const begun = (await rows('platform')).map(({ details }) => (details as { chain?: string }).chain);
    for (const { uid } of tenants) expect(begun.filter((chain) => chain === uid)).toHaveLength(1);
  });

  test('clocks of replicas that differ by hours change neither order nor month', async () => {
    const acme = { apiVersion: 'tenantry.dev/v1alpha1', kind: 'Tenant', metadata: { name: 'skewed', uid: randomUUID() } };
    const target = { ...acme, spec: { template: { name: 'plain' }, organizationId: 'org_01' } } as unknown as Tenant;
    const skews = [-5 * 3_600_000, 40 * 86_400_000];
    const replicas = skews.map((skew) => new Audit({ ledger: new Ledger(store.db), log: silent, now: () => Date.now() + skew }));
    for (let round = 0; round < 4; round += 1) {
      const action = await replicas[round % 2]?.begin({ admin, action: 'tenants.patch', tenant: target, requestId: `round-${round}` });
      await action?.succeeded();
    }
    const chained = await rows(acme.metadata.uid);
    expect(chained.map(({ request_id, outcome }) => [request_id, outcome])).toEqual(
      [0, 1, 2, 3].flatMap((round) => [
        [`round-${round}`, 'intended'],
        [`round-${round}`, 'ok'],
      ]),
    );
    const received = chained.map((row) => row.received.getTime());
    expect(received).toEqual(received.toSorted());
    expect(new Set(chained.map(({ month }) => month)).size).toBeLessThanOrEqual(2);
    expect(Math.max(...received)).toBeLessThan(Date.now() + 3_600_000);
    expect(chained.slice(1).map(({ previous }) => previous)).toEqual(chained.slice(0, -1).map(({ hash }) => hash));
  });
});

describe('an action of an administrator', () => {
  const acme = { apiVersion: 'tenantry.dev/v1alpha1', kind: 'Tenant', metadata: { name: 'acme', uid: randomUUID() } } as const;
  const object = { ...acme, spec: { template: { name: 'plain' }, organizationId: 'org_01' } } as unknown as Tenant;

  test('is recorded before and after the change, in the chain of its tenant, without secrets', async () => {
    const audit = new Audit({ ledger: new Ledger(store.db), log: silent });
    const details = {
      password: 'hunter2hunter2',
      containers: { api: { env: [{ name: 'DATABASE', value: 'postgres://me:hunter2hunter2@db/x' }] } },
      text: 'postgres://me:hunter2hunter2@db/x',
      key: 'tnt_hunter2hunte_hunter2hunter2',
      replicas: 2,
    };
    const action = await audit.begin({ admin, action: 'tenants.patch', tenant: object, requestId: 'r-1', details });
    await action.succeeded({ resourceVersion: '7' });
    const recorded = await rows(acme.metadata.uid);
    expect(recorded.map(({ kind, actor, action, outcome, request_id }) => [kind, actor, action, outcome, request_id])).toEqual([
      ['admin', 'user_01', 'tenants.patch', 'intended', 'r-1'],
      ['admin', 'user_01', 'tenants.patch', 'ok', 'r-1'],
    ]);
    expect(recorded[0]?.details).toEqual({
      password: '[redacted]',
      containers: { api: { env: [{ name: 'DATABASE', value: '[redacted]' }] } },
      text: '[redacted]',
      key: '[redacted]',
      replicas: 2,
    });
    expect(recorded[1]?.details).toEqual({ intent: recorded[0]?.id, resourceVersion: '7' });
    const chain = await store.db.selectFrom('audit_chains').selectAll().where('chain', '=', acme.metadata.uid).execute();
    expect(chain).toMatchObject([{ tenant_name: 'acme', organization_id: 'org_01' }]);
  });

  test('that creates a tenant begins in the platform’s chain and ends in the tenant’s chain', async () => {
    const audit = new Audit({ ledger: new Ledger(store.db), log: silent });
    const created = { ...object, metadata: { name: 'fresh', uid: randomUUID() } } as Tenant;
    const requestId = randomUUID();
    const action = await audit.begin({ admin, action: 'tenants.create', tenant: { name: 'fresh' }, requestId });
    await action.succeeded({}, created);
    await audit.denied({ admin, action: 'templates.apply', requestId }, 'forbidden');
    const recorded = await store.db
      .selectFrom('audit_records')
      .selectAll()
      .where('request_id', '=', requestId)
      .orderBy('position')
      .execute();
    expect(recorded.map(({ chain, tenant_name, outcome }) => [chain, tenant_name, outcome])).toEqual([
      ['platform', 'fresh', 'intended'],
      [created.metadata.uid, 'fresh', 'ok'],
      ['platform', null, 'forbidden'],
    ]);
  });

  test('is recorded when an invalid name was refused; a record that cannot be stored blocks no other', async () => {
    const errors: string[] = [];
    const log = { warn() {}, error: (_fields: object, message: string) => errors.push(message) } as unknown as typeof silent;
    const audit = new Audit({ ledger: new Ledger(store.db), log });
    const requestId = randomUUID();
    await audit.denied({ admin, action: 'tenants.delete', tenant: { name: 'a\u0000b\ud800' }, requestId }, 'forbidden');
    const found = async () =>
      (
        await store.db
          .selectFrom('audit_records')
          .select(['tenant_name', 'action'])
          .where('request_id', '=', requestId)
          .orderBy('position')
          .execute()
      ).map(({ tenant_name, action }) => [tenant_name, action]);
    expect(await found()).toEqual([['a\ufffdb\ufffd', 'tenants.delete']]);
    // Tenantry writes no such record. It represents an unforeseen one.
    const impossible = { ...admin, userId: 'user_\u0000' };
    await Promise.all([
      audit.denied({ admin: impossible, action: 'templates.apply', requestId }, 'forbidden'),
      audit.denied({ admin, action: 'tenants.create', requestId }, 'forbidden'),
    ]);
    await expect.poll(found, { timeout: 90_000 }).toEqual([
      ['a\ufffdb\ufffd', 'tenants.delete'],
      [null, 'tenants.create'],
    ]);
    await expect.poll(() => errors, { timeout: 90_000 }).toEqual(['outcome of an action not recorded in the audit']);
  });

  test('does not begin without PostgreSQL; an outcome waits and is recorded once', async () => {
    const audit = new Audit({ ledger: new Ledger(store.db), log: silent });
    const target = { ...object, metadata: { name: 'acme', uid: randomUUID() } } as Tenant;
    const action = await audit.begin({ admin, action: 'tenants.delete', tenant: target, requestId: 'r-2' });
    await postgres.postgres.stop();
    const refused = await audit
      .begin({ admin, action: 'tenants.delete', tenant: target, requestId: 'r-3' })
      .catch((error: unknown) => error);
    expect(isStoreUnavailable(refused)).toBe(true);
    await action.succeeded();
    const again = await startPostgres({ dir: `${postgres.dir}/postgres`, log: silent, fsync: false });
    try {
      await expect
        .poll(async () => (await rows(target.metadata.uid ?? '').catch(() => [])).map(({ outcome }) => outcome), { timeout: 90_000 })
        .toEqual(['intended', 'ok']);
      await audit.close();
      expect((await rows(target.metadata.uid ?? '')).length).toBe(2);
    } finally {
      await again.stop();
    }
  });
});
