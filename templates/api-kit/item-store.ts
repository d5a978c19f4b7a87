import { type Selectable, sql } from 'kysely';
import { Problem } from '../../problems/problem.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Database, ItemTable } from './database.ts';
import type { Reference } from './entity.ts';
import type { Payload } from './payload.ts';
import { UidGenerator } from './uid.ts';

/** An item as the API answers it; times are RFC 3339 in UTC with milliseconds. */
export interface Item {
  readonly uid: string;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly deletedAt?: string;
  readonly archivedAt?: string;
  readonly createdBy: string;
  readonly updatedBy: string;
  readonly payload: Payload;
}

export interface Page {
  readonly items: readonly Item[];
  readonly nextCursor?: string;
}

/** The changes of a write; omitted fields stay. */
export interface Change {
  readonly payload?: Payload;
  readonly archivedAt?: Date | null;
  readonly deletedAt?: Date;
  /** A new reference to an item of the same entity, which must not lead back to the changed item. */
  readonly parent?: Reference;
}

/** Decides what to change about an item as it is; undefined for nothing. What it reads, it reads on the connection of the change. */
export type Decide = (item: Item, at: { readonly now: Date; readonly db: Database }) => Change | undefined | Promise<Change | undefined>;

/** The writer, the time, and the version expected (If-Match). Without a version, the latest is changed. */
export interface Write {
  readonly subject: string;
  readonly now: Date;
  readonly expectedVersion?: number | undefined;
}

/** A page ends early when its payloads reach this many bytes, so that a thousand large items do not meet in memory. */
export const pageBytes = 2 * 1024 * 1024;

const columns = [
  'uid',
  'version',
  'created_at',
  'updated_at',
  'deleted_at',
  'archived_at',
  'created_by',
  'updated_by',
  'payload',
] as const satisfies (keyof ItemTable)[];
type Row = Pick<Selectable<ItemTable>, (typeof columns)[number]>;

/** Items of one entity. Errors are {@link Problem}s: item-not-found, item-deleted, version-mismatch, malformed-request for a bad cursor. */
export class ItemStore {
  readonly #db: Database;
  readonly #entity: string;
  readonly #words: string;
  readonly #uids: UidGenerator;

  /** @param words The entity's name in sentences. */
  constructor(db: Database, entity: string, words: string, uids = new UidGenerator()) {
    this.#db = db;
    this.#entity = entity;
    this.#words = words;
    this.#uids = uids;
  }

  /** In the order of creation, each page after the last item of the one before: nothing is skipped or repeated, whatever changes between. */
  async list(options: { limit: number; cursor?: string | undefined; includeDeleted: boolean }): Promise<Page> {
    const after = options.cursor === undefined ? undefined : decodeCursor(options.cursor);
    if (options.cursor !== undefined && after === undefined) {
      throw new Problem('malformed-request', 'The cursor does not come from this API.', {
        remedy: 'Pass nextCursor of the previous page, or leave the cursor out to start over.',
        errors: [{ parameter: 'cursor', detail: 'is not a cursor' }],
      });
    }
    const page = this.#db
      .selectFrom('items')
      .select([...columns, 'bytes'])
      .where('entity', '=', this.#entity)
      .$if(after !== undefined, (query) => query.where('uid', '>', after ?? ''))
      .$if(!options.includeDeleted, (query) => query.where('deleted_at', 'is', null))
      .orderBy('uid')
      .limit(options.limit + 1);
    const rows = await this.#db
      .selectFrom(
        this.#db
          .selectFrom(page.as('page'))
          .selectAll()
          .select([sql<number>`sum(bytes) over (order by uid)`.as('running'), sql<string>`count(*) over ()`.as('found')])
          .as('measured'),
      )
      .select([...columns, 'found'])
      .where(sql<number>`running - bytes`, '<', pageBytes)
      .orderBy('uid')
      .execute();
    const shown = rows.slice(0, options.limit);
    const last = shown.at(-1);
    const more = last !== undefined && Number(last.found) > shown.length;
    return { items: shown.map(itemOf), ...(more && { nextCursor: encodeCursor(last.uid) }) };
  }

  async get(uid: string, includeDeleted: boolean): Promise<Item> {
    const row = await this.#read(this.#db, uid);
    if (row.deleted_at !== null && !includeDeleted) throw this.#deleted(row);
    return itemOf(row);
  }

  /** Whether a live item of this uid exists. */
  async exists(uid: string, on = this.#db): Promise<boolean> {
    const row = await this.#select(on, uid).where('deleted_at', 'is', null).executeTakeFirst();
    return row !== undefined;
  }

  async create(payload: Payload, write: Write): Promise<Item> {
    const text = JSON.stringify(payload);
    const row = await this.#db
      .insertInto('items')
      .values({
        entity: this.#entity,
        uid: this.#uids.next(),
        version: 1,
        created_at: write.now,
        updated_at: write.now,
        created_by: write.subject,
        updated_by: write.subject,
        payload: text,
        bytes: Buffer.byteLength(text),
        deleted_at: null,
        archived_at: null,
      })
      .returning(columns)
      .executeTakeFirstOrThrow();
    return itemOf(row);
  }

  /**
   * Changes a live item by what `decide` makes of it as it is now. No update is lost: the write succeeds only on the version that was
   * read. Whoever loses that race, or gives the item a new parent, is served again with the row locked, so that `decide` may run twice.
   */
  async change(uid: string, write: Write, decide: Decide): Promise<Item> {
    return (
      (await this.#attempt(this.#db, uid, write, decide, false)) ??
      (await this.#db.transaction().execute(async (transaction) => {
        const changed = await this.#attempt(transaction, uid, write, decide, true);
        if (changed === undefined) throw new Error('a locked item changed');
        return changed;
      }))
    );
  }

  async #attempt(db: Database, uid: string, write: Write, decide: Decide, lock: boolean): Promise<Item | undefined> {
    const row = await this.#read(db, uid, lock);
    if (row.deleted_at !== null) throw this.#deleted(row);
    if (write.expectedVersion !== undefined && write.expectedVersion !== row.version)
      throw this.#mismatch(row.version, write.expectedVersion);
    const change = await decide(itemOf(row), { now: write.now, db });
    if (change === undefined) return itemOf(row);
    if (change.parent !== undefined) {
      if (!lock) return undefined;
      await this.#refuseCycle(db, uid, change.parent);
    }
    const text = change.payload === undefined ? undefined : JSON.stringify(change.payload);
    const updated = await db
      .updateTable('items')
      .set({
        version: row.version + 1,
        updated_at: write.now,
        updated_by: write.subject,
        ...(text !== undefined && { payload: text, bytes: Buffer.byteLength(text) }),
        ...(change.archivedAt !== undefined && { archived_at: change.archivedAt }),
        ...(change.deletedAt !== undefined && { deleted_at: change.deletedAt }),
      })
      .where('entity', '=', this.#entity)
      .where('uid', '=', uid)
      .where('version', '=', row.version)
      .returning(columns)
      .executeTakeFirst();
    return updated === undefined ? undefined : itemOf(updated);
  }

  /** One new parent at a time in an entity: two changes, each fine by itself, could close a circle together. */
  async #refuseCycle(transaction: Database, uid: string, parent: Reference): Promise<void> {
    await sql`select pg_advisory_xact_lock(hashtextextended(${`parents of ${this.#entity}`}, 0))`.execute(transaction);
    const path = parent.pointer.split('/').slice(1);
    // `union` without `all` ends on circles that are there already.
    const { rows } = await sql`
      with recursive ancestor (uid) as (
        select ${parent.uid}::uuid
        union
        select (items.payload #>> ${path}::text[])::uuid from items join ancestor on items.uid = ancestor.uid
        where items.entity = ${this.#entity} and items.payload #>> ${path}::text[] is not null
      )
      select from ancestor where uid = ${uid}::uuid`.execute(transaction);
    if (rows.length === 0) return;
    const detail = `makes a circle: this ${this.#words} is above that one already`;
    throw new Problem('invalid', `${parent.pointer} ${detail}.`, { errors: [{ pointer: parent.pointer, detail }] });
  }

  #select(db: Database, uid: string) {
    return db.selectFrom('items').select(columns).where('entity', '=', this.#entity).where('uid', '=', uid);
  }

  async #read(db: Database, uid: string, lock = false): Promise<Row> {
    const row = await this.#select(db, uid)
      .$if(lock, (query) => query.forUpdate())
      .executeTakeFirst();
    if (row === undefined) {
      throw new Problem('item-not-found', `There is no ${this.#words} with uid ${uid}.`);
    }
    return row;
  }

  #deleted(row: Row): Problem {
    return new Problem('item-deleted', `This ${this.#words} was deleted.`, {
      extensions: { deletedAt: row.deleted_at?.toISOString() },
    });
  }

  #mismatch(current: number, expected: number): Problem {
    return new Problem('version-mismatch', `This ${this.#words} has version ${current}, not ${expected}.`, {
      remedy: `Read it again, then repeat the change with ifMatch ${current} (in HTTP the header If-Match).`,
      extensions: { currentVersion: current },
    });
  }
}

function itemOf(row: Row): Item {
  return {
    uid: row.uid,
    version: row.version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    ...(row.deleted_at !== null && { deletedAt: row.deleted_at.toISOString() }),
    ...(row.archived_at !== null && { archivedAt: row.archived_at.toISOString() }),
    createdBy: row.created_by,
    updatedBy: row.updated_by,
    payload: row.payload,
  };
}
