/** A database of a version that kept heads, signed heads and removals in three tables. */
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { Migrator } from 'kysely/migration';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ChainedRecord, genesis, hashOf } from '../../../../audit/chain.ts';
import { verifyExport } from '../../../../audit/export.ts';
import { SigningKey } from '../../../../audit/signing-keys.ts';
import { signHead, signRemoval } from '../../../../audit/statements.ts';
import { ChainReader } from '../../../../control-plane/audit/chain-reader.ts';
import { exportLines } from '../../../../control-plane/audit/export.ts';
import { HeadSigner } from '../../../../control-plane/audit/head-signer.ts';
import { Ledger } from '../../../../control-plane/audit/ledger.ts';
import { verifyChains } from '../../../../control-plane/audit/verify-chains.ts';
import { migrations } from '../../../../control-plane/store/migrations/index.ts';
import { type AuditStore, silent, startAuditStore, type TestTenant, toolCall } from './store.ts';

let postgres: AuditStore;
let former: Kysely<unknown>;

const key = new SigningKey(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
const everything = { organizationId: undefined };
const never = new AbortController().signal;
const monthsAgo = (count: number) => {
  const date = new Date();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() - count);
  return date.toISOString().slice(0, 7);
};

beforeAll(async () => {
  postgres = await startAuditStore();
  former = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: postgres.url }) }) });
  const { '006-audit-months': _, ...earlier } = migrations;
  const { error } = await new Migrator({ db: former, provider: { getMigrations: async () => earlier } }).migrateToLatest();
  if (error !== undefined) throw error;
});

afterAll(async () => {
  await former.destroy();
  await postgres.stop();
});

/** Records of a chain, a count for each month. */
function chained({ name, uid }: TestTenant, counts: Readonly<Record<string, number>>): ChainedRecord[] {
  let previous = genesis;
  return Object.entries(counts).flatMap(([month, count]) =>
    Array.from({ length: count }, (_, index) => {
      const received = `${month}-01T00:00:00.000Z`;
      const { tenantOrganizationId: __, ...record } = toolCall({ name, uid }, { time: received });
      const placed = { chain: uid, month, sequence: index + 1, previous, record: { ...record, received } };
      previous = hashOf(placed);
      return { ...placed, hash: previous };
    }),
  );
}

async function keepRecords(records: readonly ChainedRecord[]): Promise<void> {
  for (const { chain, month, sequence, previous, hash, record } of records) {
    await sql`INSERT INTO audit_records (chain, month, sequence, previous, hash, id, kind, time, received, actor, action, outcome, tenant_name,
        tenant_uid, request_id, details)
      VALUES (${chain}, ${month}, ${sequence}, ${previous}, ${hash}, ${record.id}, ${record.kind}, ${record.time}, ${record.received},
        ${record.actor}, ${record.action}, ${record.outcome}, ${record.tenant?.name}, ${record.tenant?.uid}, ${record.requestId},
        ${JSON.stringify(record.details)})`.execute(former);
  }
}

async function keepChain({ name, uid }: TestTenant): Promise<void> {
  await sql`INSERT INTO audit_chains VALUES (${uid}, ${name}, NULL, now())`.execute(former);
}

async function keepEnd({ chain, month, sequence, hash }: ChainedRecord, closed: boolean): Promise<void> {
  await sql`INSERT INTO audit_heads (chain, month, sequence, hash, closed) VALUES (${chain}, ${month}, ${sequence}, ${hash}, ${closed})`.execute(
    former,
  );
}

async function keepSignedHead({ chain, month, sequence, hash }: ChainedRecord, final: boolean): Promise<void> {
  const { signedAt, keyId, signature } = signHead(key, { chain, month, sequence, hash, final, signedAt: new Date().toISOString() });
  await sql`INSERT INTO audit_signed_heads
    VALUES (${chain}, ${month}, ${sequence}, ${hash}, ${final}, ${signedAt}, ${keyId}, ${signature})`.execute(former);
}

async function keepRemoval({ chain, month, sequence, hash }: ChainedRecord): Promise<void> {
  const { removedAt, keyId, signature } = signRemoval(key, { chain, month, sequence, hash, removedAt: new Date().toISOString() });
  await sql`INSERT INTO audit_removals VALUES (${chain}, ${month}, ${sequence}, ${hash}, ${removedAt}, ${keyId}, ${signature}, true)`.execute(
    former,
  );
}

test("a former version's chains stay verifiable after the migration", async () => {
  const [old, closed, open] = [monthsAgo(4), monthsAgo(2), monthsAgo(0)];
  const acme = { name: 'acme', uid: randomUUID() };
  const records = chained(acme, { [old]: 3, [closed]: 2, [open]: 4 });
  const at = (index: number): ChainedRecord => {
    const record = records[index];
    if (record === undefined) throw new Error(`there are ${records.length} records`);
    return record;
  };
  await keepChain(acme);
  await keepRecords(records.slice(3));
  for (const [index, month] of [[2, true] as const, [4, true] as const, [8, false] as const]) await keepEnd(at(index), month);
  for (const [index, final] of [[2, true] as const, [4, true] as const, [6, false] as const, [7, false] as const]) {
    await keepSignedHead(at(index), final);
  }
  await keepRemoval(at(2));

  // More months than a page of the migration, to move all pages.
  const many = Array.from({ length: 1_100 }, () => chained({ name: 'many', uid: randomUUID() }, { [open]: 1 })).flat();
  for (const record of many) await keepSignedHead(record, false);

  const [headless, rowless] = [
    { name: 'headless', uid: randomUUID() },
    { name: 'rowless', uid: randomUUID() },
  ];
  for (const tampered of [headless, rowless]) {
    await keepChain(tampered);
    const [first, second] = chained(tampered, { [closed]: 2 });
    if (first === undefined || second === undefined) throw new Error('no records');
    await keepRecords(tampered === headless ? [first, second] : [first]);
    if (tampered === headless) await keepEnd(second, true);
    else await keepSignedHead(second, true);
  }

  const store = await postgres.open();
  const reader = new ChainReader(store.db);
  const verdicts = async (tenant: string) => {
    const months = [];
    const chains = await reader.chains({ ...everything, tenant });
    for await (const { state, records: count, signedThrough, fault } of verifyChains(reader, key.trusted, chains, {}, never)) {
      months.push([state, count, signedThrough, fault?.kind]);
    }
    return months;
  };
  expect(await verdicts('acme')).toEqual([
    ['removed', 0, 3, undefined],
    ['intact', 2, 2, undefined],
    ['intact', 4, 3, undefined],
  ]);
  expect(await verdicts('headless')).toMatchObject([['broken', 2, 0, 'head-missing']]);
  expect(await verdicts('rowless')).toMatchObject([['broken', 1, 0, 'truncated']]);
  expect(await reader.heads([...new Set(many.map(({ chain }) => chain))], {})).toHaveLength(1_100);

  await new Ledger(store.db).append([toolCall(acme)]);
  await new HeadSigner({ db: store.db, key, assertLeading: () => {}, log: silent }).sign();
  expect((await verdicts('acme')).at(-1)).toEqual(['intact', 5, 5, undefined]);
  const scope = { ...everything, tenant: 'acme' };
  const lines: string[] = [];
  for await (const line of exportLines({
    ...{ reader, key, scope, chains: () => reader.chains(scope) },
    ...{ range: {}, now: new Date(), signal: never },
  })) {
    lines.push(line.trimEnd());
  }
  expect(await verifyExport(lines)).toMatchObject({ verdict: 'intact', records: 7 });
});
