import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ChainedRecord, genesis, hashOf } from '../../../../audit/chain.ts';
import { verifyExport } from '../../../../audit/export.ts';
import { SigningKey } from '../../../../audit/signing-keys.ts';
import { signHead } from '../../../../audit/statements.ts';
import { ChainReader, chainedRecordOf } from '../../../../control-plane/audit/chain-reader.ts';
import { ExportInterrupted, exportLines } from '../../../../control-plane/audit/export.ts';
import { HeadSigner } from '../../../../control-plane/audit/head-signer.ts';
import { Ledger } from '../../../../control-plane/audit/ledger.ts';
import { Listing } from '../../../../control-plane/audit/listing.ts';
import { Retention } from '../../../../control-plane/audit/retention.ts';
import { verifyChains } from '../../../../control-plane/audit/verify-chains.ts';
import type { Store } from '../../../../control-plane/store/store.ts';
import { type AuditStore, silent, startAuditStore, toolCall } from './store.ts';

let postgres: AuditStore;
let store: Store;
let ledger: Ledger;
let reader: ChainReader;

const pem = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const key = new SigningKey(pem());
const leading = () => {};
const never = new AbortController().signal;
const thisMonth = () => new Date().toISOString().slice(0, 7);

const signer = (log = silent) => new HeadSigner({ db: store.db, key, assertLeading: leading, log });
const tenant = (name = 'acme') => ({ name, uid: randomUUID() });

beforeAll(async () => {
  postgres = await startAuditStore();
  store = await postgres.open();
  ledger = new Ledger(store.db);
  reader = new ChainReader(store.db);
});

afterAll(() => postgres.stop());

const everything = { organizationId: undefined };
const only = async (chain: string) => (await reader.chains(everything)).filter((due) => due.chain === chain);

async function examined(chain: string, range = {}) {
  const months = [];
  for await (const { tenant: _, ...verdict } of verifyChains(reader, key.trusted, await only(chain), range, never)) months.push(verdict);
  return months;
}

/** An export of one chain, as if its tenant's name had no other chain. */
async function exported(chain: string, range = {}): Promise<string[]> {
  const scope = { organizationId: undefined, tenant: 'acme' };
  const options = { reader, key, scope, chains: () => only(chain), range, now: new Date(), signal: never };
  const lines: string[] = [];
  for await (const line of exportLines(options)) lines.push(line.trimEnd());
  return lines;
}

/** A chain that is signed through record 6 and has three more records. */
async function nineRecords(): Promise<string> {
  const acme = tenant();
  for (let part = 0; part < 3; part += 1) {
    await ledger.append([toolCall(acme), toolCall(acme), toolCall(acme)]);
    if (part < 2) await signer().sign();
  }
  return acme.uid;
}

/** Removes the signed heads and keeps the ends that the ledger wrote. */
const unsign = (chain: string) => sql`UPDATE audit_heads SET signature = NULL, final = NULL WHERE chain = ${chain}`.execute(store.db);

const change = (chain: string, sequence: number, set: string) =>
  sql.raw(`UPDATE audit_records SET ${set} WHERE chain = '${chain}' AND sequence = ${sequence}`).execute(store.db);
const remove = (chain: string, where: string) =>
  sql.raw(`DELETE FROM audit_records WHERE chain = '${chain}' AND ${where}`).execute(store.db);

/** Rewrites the chain from a record on, as an attacker would who knows the format. */
async function rewriteFrom(chain: string, sequence: number): Promise<void> {
  const rows = await store.db.selectFrom('audit_records').selectAll().where('chain', '=', chain).orderBy('sequence').execute();
  let previous = genesis;
  for (const found of rows.map(chainedRecordOf)) {
    const rewritten: ChainedRecord = { ...found, previous, hash: hashOf({ ...found, previous }) };
    previous = rewritten.hash;
    if (found.sequence >= sequence) await change(chain, found.sequence, `previous = '${rewritten.previous}', hash = '${rewritten.hash}'`);
  }
  await store.db.updateTable('audit_heads').set({ hash: previous }).where('chain', '=', chain).execute();
}

/** Removes the end of a chain and adapts the ledger's end of it. */
async function cutAfter(chain: string, sequence: number): Promise<void> {
  await remove(chain, `sequence > ${sequence}`);
  await sql`UPDATE audit_heads SET sequence = ${sequence},
    hash = (SELECT hash FROM audit_records WHERE chain = ${chain} AND sequence = ${sequence}) WHERE chain = ${chain}`.execute(store.db);
}

describe('a chain as it was recorded', () => {
  test('is intact online and in an export, and names its last signed record', async () => {
    const chain = await nineRecords();
    const intact = { chain, month: thisMonth(), state: 'intact', records: 9, signedThrough: 6, closed: false };
    expect(await examined(chain)).toEqual([intact]);
    const lines = await exported(chain);
    const offline = await verifyExport(lines);
    expect(offline).toEqual({
      ...{ verdict: 'intact', ok: true, whole: true, signed: true, scope: { tenant: 'acme' } },
      ...{ records: 9, months: [intact], keys: [key.id] },
    });
    expect(lines.filter((line) => line.includes('"type":"head"')).length).toBe(1);
  });

  test('is signed only when it has moved', async () => {
    const chain = await nineRecords();
    await signer().sign();
    expect((await reader.heads([chain], {})).map(({ sequence }) => sequence)).toEqual([9]);
    expect((await signer().sign()).signed).toBe(0);
  });

  test('links months, and closes those that are over', async () => {
    const acme = tenant();
    const chain = acme.uid;
    await recordIn(acme, '2097-01', 3);
    await recordIn(acme, '2097-02', 2);
    await recordIn(acme, '2097-04', 1);
    expect(await examined(chain)).toMatchObject([
      { month: '2097-01', state: 'intact', records: 3, closed: true },
      { month: '2097-02', state: 'intact', records: 2, closed: true },
      { month: '2097-04', state: 'intact', records: 1, closed: false },
    ]);
    expect((await verifyExport(await exported(chain))).ok).toBe(true);
    // An export of one month is linked to the signed head of the month before.
    const part = await exported(chain, { from: '2097-02', to: '2097-02' });
    expect(await verifyExport(part)).toMatchObject({ ok: true, records: 2 });
    const cut = part.map((line) => line.replace(/"hash":"[0-9a-f]{64}","final":true/, `"hash":"${genesis}","final":true`));
    expect(cut).not.toEqual(part);
    expect((await verifyExport(cut)).ok).toBe(false);
  });
});

const forgetBeginning = (chain: string) =>
  sql`DELETE FROM audit_records WHERE chain = 'platform' AND kind = 'chain' AND details->>'chain' = ${chain}`.execute(store.db);

/** Records that are received in a future month. */
async function recordIn(acme: { name: string; uid: string }, month: string, count: number): Promise<void> {
  const received = new Date(`${month}-10T00:00:00Z`);
  if ((await reader.chains({ organizationId: undefined })).some(({ chain }) => chain === acme.uid)) {
    await store.db.updateTable('audit_chains').set({ received }).where('chain', '=', acme.uid).execute();
  } else {
    await store.db
      .insertInto('audit_chains')
      .values({ chain: acme.uid, tenant_name: acme.name, organization_id: null, received })
      .execute();
  }
  await ledger.append(Array.from({ length: count }, () => toolCall(acme)));
  await signer().sign();
}

describe('tampering', () => {
  let chain: string;

  beforeEach(async () => {
    chain = await nineRecords();
  });

  const fault = async () => {
    const [here] = await examined(chain);
    const offline = await verifyExport(await exported(chain));
    expect(here?.state).toBe('broken');
    // Offline, unsigned records that only the ledger knows are not missed.
    return { here: here?.fault, offline: offline.months[0]?.fault };
  };

  test.each([
    ['its actor', `actor = 'user_2'`],
    ['its details', `details = '{"tool":"other"}'`],
    ['its time', `time = time + interval '1 ms'`],
    ['its tenant', `tenant_name = 'other'`],
    ['its outcome', `outcome = 'denied'`],
  ])('with a record, %s, is found at that record', async (_what, set) => {
    await change(chain, 5, set);
    const found = await fault();
    expect(found.here).toMatchObject({ kind: 'changed', sequence: 5 });
    expect(found.offline).toEqual(found.here);
  });

  test('with a record and its hash is found at the next record', async () => {
    await change(chain, 5, `actor = 'user_2'`);
    const rows = await store.db.selectFrom('audit_records').selectAll().where('chain', '=', chain).orderBy('sequence').execute();
    const fifth = rows.map(chainedRecordOf)[4];
    await change(chain, 5, `hash = '${fifth === undefined ? '' : hashOf(fifth)}'`);
    expect((await fault()).here).toMatchObject({ kind: 'link', sequence: 6 });
  });

  test('with a record and all later hashes is found by the signed head', async () => {
    await change(chain, 2, `actor = 'user_2'`);
    await rewriteFrom(chain, 2);
    const found = await fault();
    expect(found.here).toMatchObject({ kind: 'rewritten', sequence: 6 });
    expect(found.offline).toEqual(found.here);
  });

  test('by removing a record is found at the gap', async () => {
    await remove(chain, 'sequence = 4');
    const found = await fault();
    expect(found.here).toMatchObject({ kind: 'sequence', sequence: 4 });
    expect(found.offline).toEqual(found.here);
  });

  test('by removing a record and closing the gap is found', async () => {
    await remove(chain, 'sequence = 4');
    for (const sequence of [5, 6, 7, 8, 9]) await change(chain, sequence, `sequence = ${sequence - 1}`);
    expect((await fault()).here).toMatchObject({ kind: 'changed', sequence: 4 });
    await rewriteFrom(chain, 4);
    expect((await fault()).here).toMatchObject({ kind: 'rewritten', sequence: 6 });
  });

  test('by changing the order is found', async () => {
    await change(chain, 4, 'sequence = 100');
    await change(chain, 5, 'sequence = 4');
    await change(chain, 100, 'sequence = 5');
    const found = await fault();
    expect(found.here).toMatchObject({ kind: 'changed', sequence: 4 });
    expect(found.offline).toEqual(found.here);
  });

  test('by removing the end is found by the ledger’s end and by the signed head', async () => {
    await remove(chain, 'sequence > 7');
    expect((await fault()).here).toMatchObject({ kind: 'truncated', sequence: 8 });
    await cutAfter(chain, 4);
    const found = await fault();
    expect(found.here).toMatchObject({ kind: 'truncated', sequence: 5 });
    expect(found.offline).toEqual(found.here);
  });

  test('by removing the end and its signed head is found by kept heads', async () => {
    await signer().sign();
    const shipped = await reader.heads([chain], {});
    await cutAfter(chain, 4);
    await unsign(chain);
    const lines = await exported(chain);
    expect(await verifyExport(lines, { heads: shipped })).toMatchObject({
      ok: false,
      months: [{ fault: { kind: 'truncated', sequence: 5 } }],
    });
  });

  test('with a signed head, such as another chain’s, is found', async () => {
    const other = await nineRecords();
    const [foreign] = await reader.heads([other], {});
    await sql`UPDATE audit_heads SET signed_hash = ${foreign?.hash ?? ''}, signature = ${foreign?.signature ?? ''}
      WHERE chain = ${chain}`.execute(store.db);
    const found = await fault();
    expect(found.here).toMatchObject({ kind: 'signature', sequence: 9 });
    expect(found.offline).toEqual(found.here);
  });

  test('with another signing key is found', async () => {
    const own = new SigningKey(pem());
    await change(chain, 2, `actor = 'user_2'`);
    await rewriteFrom(chain, 2);
    for (const head of await reader.heads([chain], {})) {
      const { hash = '' } =
        (await store.db
          .selectFrom('audit_records')
          .select('hash')
          .where('chain', '=', chain)
          .where('sequence', '=', sql<string>`${head.sequence}`)
          .executeTakeFirst()) ?? {};
      const { keyId, signature } = signHead(own, { ...head, hash });
      await sql`UPDATE audit_heads SET signed_hash = ${hash}, key_id = ${keyId}, signature = ${signature} WHERE chain = ${chain}`.execute(
        store.db,
      );
    }
    const [here] = await examined(chain);
    expect(here?.fault).toMatchObject({ kind: 'unknown-key', sequence: 6 });
    const lines = await exported(chain);
    expect((await verifyExport(lines, { keys: key.trusted.all })).ok).toBe(false);
  });

  test('by removing a whole month is found', async () => {
    const acme = tenant();
    await recordIn(acme, '2097-01', 3);
    await recordIn(acme, '2097-02', 2);
    await recordIn(acme, '2097-03', 2);
    const shipped = await reader.heads([acme.uid], {});
    await remove(acme.uid, `month = '2097-02'`);
    expect(await examined(acme.uid)).toMatchObject([
      { state: 'intact' },
      { month: '2097-02', state: 'broken', fault: { kind: 'truncated', sequence: 1 } },
      { state: 'intact' },
    ]);
    await sql`DELETE FROM audit_heads WHERE chain = ${acme.uid} AND month = '2097-02'`.execute(store.db);
    expect(await examined(acme.uid)).toMatchObject([
      { state: 'intact' },
      { month: '2097-02', state: 'broken', fault: { kind: 'truncated', sequence: 1 } },
      { state: 'intact' },
    ]);
    expect((await verifyExport(await exported(acme.uid))).ok).toBe(false);
    // Without the record of its start, the next month shows that the month is missing.
    await forgetBeginning(acme.uid);
    expect(await examined(acme.uid)).toMatchObject([
      { state: 'intact' },
      { month: '2097-03', state: 'broken', fault: { kind: 'link', sequence: 1 } },
    ]);
    const offline = await verifyExport(await exported(acme.uid), { heads: shipped });
    expect(offline.months.filter(({ state }) => state === 'broken').map(({ month }) => month)).toEqual(['2097-03', '2097-02']);
  });

  test('by adding a record to a closed month is found', async () => {
    const acme = tenant();
    await recordIn(acme, '2097-01', 2);
    await recordIn(acme, '2097-02', 1);
    const [, last] = await store.db
      .selectFrom('audit_records')
      .selectAll()
      .where('chain', '=', acme.uid)
      .where('month', '=', '2097-01')
      .orderBy('sequence')
      .execute();
    if (last === undefined) throw new Error('no records');
    const { position: _, details, ...row } = last;
    const added = { ...row, id: randomUUID(), sequence: 3, previous: last.hash, details: JSON.stringify(details) };
    const { record, ...place } = chainedRecordOf({ ...last, id: added.id, sequence: '3', previous: last.hash });
    await store.db
      .insertInto('audit_records')
      .values({ ...added, hash: hashOf({ ...place, record }) })
      .execute();
    expect(await examined(acme.uid)).toMatchObject([{ state: 'broken', fault: { kind: 'sequence', sequence: 3 } }, { state: 'intact' }]);
  });

  test('by removing signed records stops the signing of the chain', async () => {
    const errors: string[] = [];
    await cutAfter(chain, 4);
    const log = { error: (fields: { chain: string }, message: string) => fields.chain === chain && errors.push(message) };
    expect((await signer(log as unknown as typeof silent).sign()).contradictions).toBeGreaterThan(0);
    expect((await reader.heads([chain], {})).map(({ sequence }) => sequence)).toEqual([6]);
    expect(errors).toEqual(['audit chain contradicts its signed head']);
  });

  test('with the file is found: a removed line, a changed line, a missing end', async () => {
    const lines = await exported(chain);
    const at = lines.findIndex((line) => line.includes('"sequence":5'));
    expect(await verifyExport(lines.toSpliced(at, 1))).toMatchObject({
      ok: false,
      whole: false,
      months: [{ fault: { kind: 'sequence', sequence: 5 } }],
    });
    expect(await verifyExport(lines.with(at, lines[at]?.replace('user_1', 'user_9') ?? ''))).toMatchObject({
      ok: false,
      months: [{ fault: { kind: 'changed', sequence: 5 } }],
    });
    expect(await verifyExport(lines.slice(0, -1))).toMatchObject({ ok: false, whole: false });
    expect(await verifyExport([...lines.slice(0, 4), '{"type"'])).toMatchObject({ ok: false, unreadable: { line: 5 } });
  });
});

describe('retention', () => {
  const retention = (days: number, batch = 2) => new Retention({ db: store.db, key, days, assertLeading: leading, batch });

  /** Months in the past: as recordIn, but nothing is received before what was received last. */
  async function past(acme: { name: string; uid: string }, month: string, count: number): Promise<void> {
    await recordIn(acme, '2097-01', count);
    const rows = await store.db.selectFrom('audit_records').selectAll().where('chain', '=', acme.uid).orderBy('sequence').execute();
    let previous = genesis;
    for (const row of rows) {
      const received = new Date(`${month}-10T00:00:00Z`);
      const moved = chainedRecordOf({ ...row, month, received, previous });
      const hash = hashOf(moved);
      await store.db
        .updateTable('audit_records')
        .set({ month, received, previous, hash })
        .where('chain', '=', acme.uid)
        .where('id', '=', row.id)
        .execute();
      previous = hash;
    }
    await forgetBeginning(acme.uid);
    await unsign(acme.uid);
    await store.db.updateTable('audit_heads').set({ month, hash: previous }).where('chain', '=', acme.uid).execute();
    await store.db
      .updateTable('audit_chains')
      .set({ received: new Date(`${month}-10T00:00:00Z`) })
      .where('chain', '=', acme.uid)
      .execute();
    await signer().sign();
  }

  const monthsAgo = (count: number) => {
    const date = new Date();
    date.setUTCDate(1);
    date.setUTCMonth(date.getUTCMonth() - count);
    return date.toISOString().slice(0, 7);
  };

  test('removes whole old months, which verification does not take for tampering', async () => {
    const acme = tenant();
    await past(acme, monthsAgo(4), 5);
    await ledger.append([toolCall(acme), toolCall(acme)]);
    await signer().sign();
    expect(await examined(acme.uid)).toMatchObject([
      { state: 'intact', records: 5, closed: true },
      { state: 'intact', records: 2 },
    ]);
    await retention(200).apply();
    expect((await examined(acme.uid))[0]).toMatchObject({ state: 'intact', records: 5 });
    await retention(62).apply();
    const left = await store.db.selectFrom('audit_records').select('month').where('chain', '=', acme.uid).execute();
    expect(left.map(({ month }) => month)).toEqual([thisMonth(), thisMonth()]);
    const verdicts = [
      { month: monthsAgo(4), state: 'removed', records: 0, signedThrough: 5, closed: true },
      { month: thisMonth(), state: 'intact', records: 2, signedThrough: 2 },
    ];
    expect(await examined(acme.uid)).toMatchObject(verdicts);
    expect(await verifyExport(await exported(acme.uid))).toMatchObject({ ok: true, records: 2, months: verdicts });
    const { items } = await new Listing(store.db).page({ organizationId: undefined }, { kind: 'retention' }, 10, undefined);
    expect(items.filter(({ record }) => (record.details as { chain?: string }).chain === acme.uid).length).toBe(1);

    // The same gap without the signed statement, or with an invalid one, is tampering.
    await sql`UPDATE audit_heads SET removed_at = removed_at + interval '1 day' WHERE chain = ${acme.uid}`.execute(store.db);
    expect(await examined(acme.uid)).toMatchObject([{ state: 'broken', fault: { kind: 'truncated' } }, { state: 'intact' }]);
    await sql`UPDATE audit_heads SET removed_at = NULL WHERE chain = ${acme.uid}`.execute(store.db);
    expect(await examined(acme.uid)).toMatchObject([{ state: 'broken', fault: { kind: 'truncated' } }, { state: 'intact' }]);
  });

  test('of a month without its signed head is reported', async () => {
    const acme = tenant();
    await past(acme, monthsAgo(4), 3);
    await retention(62).apply();
    await sql`UPDATE audit_heads SET signature = NULL WHERE chain = ${acme.uid}`.execute(store.db);
    expect(await examined(acme.uid)).toMatchObject([{ state: 'broken', fault: { kind: 'head-missing' } }]);
  });

  test('resumes after an interruption; a half-removed month is not broken', async () => {
    const acme = tenant();
    await past(acme, monthsAgo(4), 6);
    let asked = 0;
    const interrupted = new Retention({
      db: store.db,
      key,
      days: 62,
      batch: 2,
      assertLeading: () => {
        asked += 1;
        if (asked === 3) throw new Error('another replica leads');
      },
    });
    await expect(interrupted.apply()).rejects.toThrow('another replica leads');
    const count = async () => (await store.db.selectFrom('audit_records').select('id').where('chain', '=', acme.uid).execute()).length;
    expect(await count()).toBe(4);
    expect(await examined(acme.uid)).toMatchObject([{ state: 'removed', signedThrough: 6 }]);
    await retention(62).apply();
    expect(await count()).toBe(0);
    expect(await examined(acme.uid)).toMatchObject([{ state: 'removed', signedThrough: 6 }]);
  });

  test('during an export interrupts the export', async () => {
    const acme = tenant();
    await past(acme, monthsAgo(4), 6);
    const options = { reader, key, scope: everything, chains: () => only(acme.uid), range: {}, now: new Date(), signal: never };
    const lines = exportLines(options);
    await expect(
      (async () => {
        for await (const line of lines) if (line.startsWith('{"type":"head"')) await retention(62).apply();
      })(),
    ).rejects.toThrow(ExportInterrupted);
  });

  test('during a verification gives the verdict removed', async () => {
    const acme = tenant();
    await past(acme, monthsAgo(4), 6);
    class Overtaken extends ChainReader {
      override async *records(chain: string, month: string, signal: AbortSignal) {
        await retention(62).apply();
        yield* super.records(chain, month, signal);
      }
    }
    const months = [];
    const overtaken = new Overtaken(store.db);
    for await (const verdict of verifyChains(overtaken, key.trusted, await only(acme.uid), {}, never)) months.push(verdict);
    expect(months).toMatchObject([{ state: 'removed', signedThrough: 6 }]);
  });
});

describe('many records', () => {
  test('are appended in batches, verified and exported page by page', async () => {
    const acme = tenant();
    for (let batch = 0; batch < 12; batch += 1) await ledger.append(Array.from({ length: 500 }, () => toolCall(acme)));
    await signer().sign();
    expect(await examined(acme.uid)).toMatchObject([{ state: 'intact', records: 6_000, signedThrough: 6_000 }]);
    expect(await verifyExport(await exported(acme.uid))).toMatchObject({ ok: true, records: 6_000 });
  });
});
