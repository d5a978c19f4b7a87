/** Attacks by somebody who can write to the audit's database and does not have the signing key. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ChainedRecord, genesis, hashOf } from '../../../../audit/chain.ts';
import { verifyExport } from '../../../../audit/export.ts';
import type { KeptHead } from '../../../../audit/export-lines.ts';
import { SigningKey } from '../../../../audit/signing-keys.ts';
import { signHead } from '../../../../audit/statements.ts';
import { verdictOf } from '../../../../audit/verification.ts';
import { ChainReader, chainedRecordOf } from '../../../../control-plane/audit/chain-reader.ts';
import type { Scope } from '../../../../control-plane/audit/expected-chains.ts';
import { exportLines } from '../../../../control-plane/audit/export.ts';
import { HeadSigner } from '../../../../control-plane/audit/head-signer.ts';
import { Ledger } from '../../../../control-plane/audit/ledger.ts';
import { type VerifiedMonth, verifyChains } from '../../../../control-plane/audit/verify-chains.ts';
import type { Store } from '../../../../control-plane/store/store.ts';
import { type AuditStore, type silent, startAuditStore, type TestTenant, toolCall } from './store.ts';

let postgres: AuditStore;
let store: Store;
let ledger: Ledger;
let reader: ChainReader;
let acme: TestTenant;
let globex: TestTenant;

const pem = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const key = new SigningKey(pem());
const never = new AbortController().signal;
const everything: Scope = { organizationId: undefined };
const thisMonth = () => new Date().toISOString().slice(0, 7);
const signer = (said: object[] = []) =>
  new HeadSigner({
    db: store.db,
    key,
    assertLeading: () => {},
    log: { error: (fields: object) => said.push(fields) } as unknown as typeof silent,
  });

beforeAll(async () => {
  postgres = await startAuditStore();
  store = await postgres.open();
  ledger = new Ledger(store.db);
  reader = new ChainReader(store.db);
});

afterAll(() => postgres.stop());

/** Two tenants, each with three signed records and one that is not signed yet. */
beforeEach(async () => {
  await sql`TRUNCATE audit_chains, audit_heads, audit_records`.execute(store.db);
  [acme, globex] = [
    { name: 'acme', uid: randomUUID() },
    { name: 'globex', uid: randomUUID() },
  ];
  for (const tenant of [acme, globex]) await ledger.append([toolCall(tenant), toolCall(tenant), toolCall(tenant)]);
  await signer().sign();
  for (const tenant of [acme, globex]) await ledger.append([toolCall(tenant)]);
});

const run = (statement: string) => sql.raw(statement).execute(store.db);
const tables = ['audit_chains', 'audit_heads', 'audit_records'];

async function verified(scope: Scope = everything, range = {}): Promise<{ verdict: string; months: VerifiedMonth[] }> {
  const months = [];
  for await (const month of verifyChains(reader, key.trusted, await reader.chains(scope), range, never)) months.push(month);
  return { verdict: verdictOf(months), months };
}

const broken = async (scope?: Scope) =>
  (await verified(scope)).months
    .filter(({ state }) => state === 'broken')
    .map(({ chain, fault }) => [chain, fault?.kind, fault?.sequence] as const);

async function exported(scope: Scope = everything, range = {}, from = reader): Promise<string[]> {
  const options = { reader: from, key, scope, chains: () => from.chains(scope), range, now: new Date(), signal: never };
  const lines: string[] = [];
  for await (const line of exportLines(options)) lines.push(line.trimEnd());
  return lines;
}

const keptHeads = async (): Promise<KeptHead[]> => (await reader.headPage(everything, {}, 100, undefined)).items;

/** Recomputes a chain and the ledger's end of it, as an attacker would who knows the format. */
async function rewrite(chain: string): Promise<void> {
  const rows = await store.db.selectFrom('audit_records').selectAll().where('chain', '=', chain).orderBy('sequence').execute();
  let previous = genesis;
  let sequence = 0;
  for (const found of rows.map(chainedRecordOf)) {
    sequence += 1;
    const rewritten: ChainedRecord = { ...found, sequence, previous, hash: hashOf({ ...found, sequence, previous }) };
    await run(`UPDATE audit_records SET sequence = ${sequence}, previous = '${previous}', hash = '${rewritten.hash}'
      WHERE chain = '${chain}' AND sequence = ${found.sequence}`);
    previous = rewritten.hash;
  }
  await run(`UPDATE audit_heads SET sequence = ${sequence}, hash = '${previous}' WHERE chain = '${chain}'`);
}

test('unchanged chains are intact, for all tenants and for each, online and in an export', async () => {
  expect(await verified()).toMatchObject({ verdict: 'intact', months: [{}, {}, { chain: 'platform', records: 2 }] });
  const scope = { organizationId: undefined, tenant: 'acme' };
  expect(await verified(scope)).toMatchObject({ verdict: 'intact', months: [{ chain: acme.uid, tenant: 'acme', records: 4 }] });
  const heads = await keptHeads();
  expect(heads).toHaveLength(3);
  const whole = await verifyExport(await exported(), { heads });
  expect(whole).toMatchObject({ verdict: 'intact', signed: true, records: 10, scope: {} });
  // Heads of all chains can verify the export of one tenant: other tenants' chains are not expected there.
  expect(await verifyExport(await exported(scope), { heads })).toMatchObject({ ok: true, records: 4, scope: { tenant: 'acme' } });
});

describe('a row', () => {
  test('is found when it was changed or removed', async () => {
    await run(`UPDATE audit_records SET actor = 'user_2' WHERE chain = '${acme.uid}' AND sequence = 2`);
    await run(`DELETE FROM audit_records WHERE chain = '${globex.uid}' AND sequence = 2`);
    expect((await broken()).toSorted()).toEqual(
      [
        [acme.uid, 'changed', 2],
        [globex.uid, 'sequence', 2],
      ].toSorted(),
    );
  });

  test('is found when it was moved', async () => {
    await run(`UPDATE audit_records SET sequence = sequence + 100 WHERE chain = '${acme.uid}'`);
    await run(`UPDATE audit_records SET sequence = (ARRAY[2,1,3,4])[sequence - 100] WHERE chain = '${acme.uid}'`);
    expect(await broken()).toEqual([[acme.uid, 'changed', 1]]);
  });

  test('of the signed end is missed, also when the ledger agrees with the removal', async () => {
    await run(`DELETE FROM audit_records WHERE chain = '${acme.uid}' AND sequence > 2`);
    await rewrite(acme.uid);
    expect(await broken()).toEqual([[acme.uid, 'truncated', 3]]);
  });

  test('of the unsigned end is not missed when the ledger agrees with the removal', async () => {
    await run(`DELETE FROM audit_records WHERE chain = '${acme.uid}' AND sequence > 3`);
    await rewrite(acme.uid);
    expect(await broken()).toEqual([]);
  });
});

describe('a chain', () => {
  const remove = async (chain: string, from = tables) => {
    for (const table of from) await run(`DELETE FROM ${table} WHERE chain = '${chain}'`);
  };

  test('without records is missed, listed or not', async () => {
    await remove(acme.uid, ['audit_records', 'audit_heads']);
    expect(await broken()).toEqual([[acme.uid, 'truncated', 1]]);
    await remove(acme.uid, ['audit_chains']);
    expect(await broken()).toEqual([[acme.uid, 'truncated', 1]]);
    expect((await verifyExport(await exported())).months.filter(({ state }) => state === 'broken')).toMatchObject([{ chain: acme.uid }]);
  });

  test('without any row is missed, because the platform’s chain records its start', async () => {
    await remove(acme.uid);
    expect(await broken()).toEqual([[acme.uid, 'truncated', 1]]);
    expect(await broken({ organizationId: undefined, tenant: 'acme' })).toEqual([[acme.uid, 'truncated', 1]]);
    for (const scope of [everything, { organizationId: undefined, tenant: 'acme' }]) {
      const offline = await verifyExport(await exported(scope));
      expect(offline).toMatchObject({ verdict: 'broken', whole: true, signed: true });
      expect(offline.months.filter(({ state }) => state === 'broken')).toMatchObject([{ chain: acme.uid, fault: { kind: 'truncated' } }]);
    }
  });

  test('without any trace is missed by kept heads and by the replica that signed it', async () => {
    const heads = await keptHeads();
    const said: object[] = [];
    const leader = signer(said);
    await leader.sign();
    await remove(acme.uid);
    await run(`DELETE FROM audit_records WHERE chain = 'platform' AND details->>'chain' = '${acme.uid}'`);
    await run(`UPDATE audit_heads SET signature = NULL, final = NULL WHERE chain = 'platform'`);
    await rewrite('platform');
    // A verification without kept heads finds no fault.
    expect(await broken()).toEqual([]);
    const lines = await exported();
    expect((await verifyExport(lines)).ok).toBe(true);
    const missed = (await verifyExport(lines, { heads })).months.filter(({ state }) => state === 'broken');
    expect(missed.map(({ chain }) => chain).toSorted()).toEqual([acme.uid, 'platform'].toSorted());
    // In an export of one tenant, the kept head names the tenant.
    const ofAcme = await exported({ organizationId: undefined, tenant: 'acme' });
    expect(await verifyExport(ofAcme)).toMatchObject({ ok: false, verdict: 'nothing-checked', records: 0 });
    expect(await verifyExport(ofAcme, { heads })).toMatchObject({ verdict: 'broken', months: [{ chain: acme.uid, state: 'broken' }] });
    expect((await leader.sign()).contradictions).toBe(2);
    expect(said).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ chain: acme.uid, why: 'the month has disappeared' }),
        expect.objectContaining({ chain: 'platform', why: 'a signed head is missing' }),
      ]),
    );
  });

  test('is reported when the list lacks it or has it under another name', async () => {
    await run(`DELETE FROM audit_chains WHERE chain = '${acme.uid}'`);
    expect(await broken()).toEqual([[acme.uid, 'unlisted', 1]]);
    expect(await broken({ organizationId: undefined, tenant: 'acme' })).toEqual([[acme.uid, 'unlisted', 1]]);
    await run(`UPDATE audit_chains SET tenant_name = 'other' WHERE chain = '${globex.uid}'`);
    expect(await broken({ organizationId: undefined, tenant: 'globex' })).toEqual([[globex.uid, 'unlisted', 1]]);
  });

  test('of the platform is missed when it is deleted', async () => {
    await remove('platform');
    expect(await broken()).toEqual([['platform', 'truncated', 1]]);
    expect((await verifyExport(await exported())).ok).toBe(false);
  });

  test('is reported when only its entry in the list is left', async () => {
    await remove(acme.uid, tables.slice(1));
    await remove('platform');
    expect((await broken()).map(([chain]) => chain).toSorted()).toEqual([acme.uid, 'platform'].toSorted());
  });
});

describe('a range without a month', () => {
  test('is never intact', async () => {
    expect(await verified(everything, { from: '2001-01', to: '2001-02' })).toEqual({ verdict: 'nothing-checked', months: [] });
    const lines = await exported(everything, { from: '2001-01', to: '2001-02' });
    const scope = { from: '2001-01', to: '2001-02' };
    expect(await verifyExport(lines)).toMatchObject({ verdict: 'nothing-checked', ok: false, whole: true, signed: true, scope });
  });
});

describe('an export', () => {
  test('states its scope, and does not pass for a wider one', async () => {
    const lines = await exported(everything, { from: thisMonth(), to: thisMonth() });
    expect((await verifyExport(lines, { wanted: { from: thisMonth(), to: thisMonth() } })).ok).toBe(true);
    expect(await verifyExport(lines, { wanted: {} })).toMatchObject({ ok: false, missing: `the export begins with ${thisMonth()}` });
    const ofAcme = await exported({ organizationId: undefined, tenant: 'acme' });
    expect((await verifyExport(ofAcme, { wanted: { tenant: 'acme' } })).ok).toBe(true);
    expect(await verifyExport(ofAcme, { wanted: {} })).toMatchObject({ ok: false, missing: 'the export has only the chains of acme' });
    expect((await verifyExport(ofAcme, { wanted: { tenant: 'globex' } })).ok).toBe(false);
  });

  test('is broken when lines were removed, also with an adapted first and last line', async () => {
    const whole = await exported();
    const header = whole[0]?.replace('"scope":{}', '"scope":{"tenant":"globex"}') ?? '';
    const start = whole.findIndex((line) => line.startsWith('{"type":"chain"') && line.includes(acme.uid));
    const length = whole.slice(start + 1).findIndex((line) => /^\{"type":"(chain|end)"/.test(line)) + 1;
    const without = whole.toSpliced(start, length);
    const records = without.filter((line) => line.startsWith('{"type":"record"')).length;
    const end = without.at(-1)?.replace(/"records":\d+/, `"records":${records}`) ?? '';
    expect(header).not.toBe(whole[0]);
    expect(records).toBe(6);
    for (const forged of [whole.with(0, header), without, without.with(-1, end), without.with(0, header).with(-1, end)]) {
      expect(await verifyExport(forged)).toMatchObject({ verdict: 'broken', signed: false });
    }
  });

  test('is intact when a tenant is created meanwhile', async () => {
    class Growing extends ChainReader {
      override async *records(...args: Parameters<ChainReader['records']>) {
        yield* super.records(...args);
        if (args[0] === 'platform') await ledger.append([toolCall({ name: 'late', uid: randomUUID() })]);
      }
    }
    const lines = await exported(everything, {}, new Growing(store.db));
    expect(await verifyExport(lines)).toMatchObject({ ok: true, records: 11 });
    expect((await verifyExport(await exported())).ok).toBe(true);
  });
});

describe('the signer', () => {
  const headsOf = async (chain: string) => (await reader.heads([chain], {})).map(({ sequence }) => sequence);

  test('signs an unsigned month that a row calls closed', async () => {
    await run(`UPDATE audit_heads SET signature = NULL, final = true`);
    await signer().sign();
    expect(await headsOf(acme.uid)).toEqual([4]);
  });

  test('reports a signed head that was made final', async () => {
    await run(`UPDATE audit_heads SET final = true WHERE chain = '${acme.uid}'`);
    const said: object[] = [];
    expect((await signer(said).sign()).contradictions).toBe(1);
    expect(said).toMatchObject([{ chain: acme.uid, why: 'the signature of its newest head is not valid' }]);
    expect(await broken()).toEqual([[acme.uid, 'signature', 3]]);
  });

  test('signs no record that does not follow from the signed head', async () => {
    await run(`UPDATE audit_records SET actor = 'user_2' WHERE chain = '${acme.uid}' AND sequence = 4`);
    await run(`UPDATE audit_heads SET hash = '${'ab'.repeat(32)}' WHERE chain = '${globex.uid}'`);
    const said: object[] = [];
    expect(await signer(said).sign()).toEqual({ signed: 0, contradictions: 2 });
    expect(said).toEqual(
      expect.arrayContaining([
        { chain: acme.uid, month: thisMonth(), sequence: 4, why: 'record 4 does not match its hash' },
        { chain: globex.uid, month: thisMonth(), sequence: 4, why: 'its records end at 4' },
      ]),
    );
    expect([await headsOf(acme.uid), await headsOf(globex.uid)]).toEqual([[3], [3]]);
  });

  test('does not sign a rewritten chain', async () => {
    await run(`UPDATE audit_records SET actor = 'user_2' WHERE chain = '${acme.uid}' AND sequence = 2`);
    await rewrite(acme.uid);
    const said: object[] = [];
    await signer(said).sign();
    expect(said).toEqual([{ chain: acme.uid, month: thisMonth(), sequence: 4, why: 'record 4 does not follow the record before it' }]);
  });

  test('reports a head that is signed with another key', async () => {
    const other = new SigningKey(pem());
    const [head] = await reader.heads([acme.uid], {});
    if (head === undefined) throw new Error('nothing was signed');
    const { keyId, signature } = signHead(other, head);
    await run(`UPDATE audit_heads SET key_id = '${keyId}', signature = '${signature}' WHERE chain = '${acme.uid}'`);
    const said: object[] = [];
    await signer(said).sign();
    expect(said).toMatchObject([{ chain: acme.uid, why: 'the signature of its newest head is not valid' }]);
  });

  test('reports an old head in place of a newer one that it signed', async () => {
    const old = await reader.heads([acme.uid], {});
    const leader = signer();
    await leader.sign();
    const heads = await keptHeads();
    await run(`DELETE FROM audit_records WHERE chain = '${acme.uid}' AND sequence > 3`);
    await rewrite(acme.uid);
    for (const { sequence, hash, signedAt, signature } of old) {
      await run(`UPDATE audit_heads SET signed_sequence = ${sequence}, signed_hash = '${hash}', signed_at = '${signedAt}',
        signature = '${signature}' WHERE chain = '${acme.uid}'`);
    }
    // The old head is valid. Only the replica that signed the newer one, and kept heads, know that one.
    expect(await broken()).toEqual([]);
    expect((await leader.sign()).contradictions).toBe(1);
    const offline = await verifyExport(await exported(), { heads });
    expect(offline.months.filter(({ state }) => state === 'broken')).toMatchObject([
      { chain: acme.uid, fault: { kind: 'truncated', sequence: 4 } },
    ]);
  });

  test('keeps the newer head when two replicas sign at once', async () => {
    const [one, other] = [signer(), signer()];
    await one.sign();
    await ledger.append([toolCall(acme)]);
    await Promise.all([one.sign(), other.sign()]);
    expect((await headsOf(acme.uid)).at(-1)).toBe(5);
    expect([(await one.sign()).contradictions, (await other.sign()).contradictions]).toEqual([0, 0]);
  });
});
