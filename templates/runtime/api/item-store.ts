import { type Selectable, sql } from 'kysely';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Database, ItemTable } from './database.ts';
import type { Payload } from './payload.ts';
import { Problem } from './problem.ts';
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

/** What a write changes; what is left out stays. */
export interface Change {
  readonly payload?: Payload;
  readonly archivedAt?: Date | null;
  readonly deletedAt?: Date;
}

/** Who writes, when, and the version they expect to change (If-Match); without it the latest is changed. */
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

/** Items of one entity. Errors are {@link Problem}s: not_found, deleted, version_mismatch, malformed_request for a bad cursor. */
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
      throw new Problem('malformed_request', {
        detail: 'The cursor is not one this API gave: pass nextCursor of the previous page, or leave it out to start over.',
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
  async exists(uid: string): Promise<boolean> {
    const row = await this.#select(this.#db, uid).where('deleted_at', 'is', null).executeTakeFirst();
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
   * read. Whoever loses that race is served again with the row locked, so that `decide` may run twice.
   */
  async change(uid: string, write: Write, decide: (item: Item) => Change | Promise<Change>): Promise<Item> {
    return (
      (await this.#attempt(this.#db, uid, write, decide, false)) ??
      (await this.#db.transaction().execute(async (transaction) => {
        const changed = await this.#attempt(transaction, uid, write, decide, true);
        if (changed === undefined) throw new Error('a locked item changed');
        return changed;
      }))
    );
  }

  async #attempt(
    db: Database,
    uid: string,
    write: Write,
    decide: (item: Item) => Change | Promise<Change>,
    lock: boolean,
  ): Promise<Item | undefined> {
    const row = await this.#read(db, uid, lock);
    if (row.deleted_at !== null) throw this.#deleted(row);
    if (write.expectedVersion !== undefined && write.expectedVersion !== row.version)
      throw this.#mismatch(row.version, write.expectedVersion);
    const change = await decide(itemOf(row));
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

  #select(db: Database, uid: string) {
    return db.selectFrom('items').select(columns).where('entity', '=', this.#entity).where('uid', '=', uid);
  }

  async #read(db: Database, uid: string, lock = false): Promise<Row> {
    const row = await this.#select(db, uid)
      .$if(lock, (query) => query.forUpdate())
      .executeTakeFirst();
    if (row === undefined) {
      throw new Problem('not_found', { detail: `There is no ${this.#words} with uid ${uid}.` });
    }
    return row;
  }

  #deleted(row: Row): Problem {
    return new Problem('deleted', {
      detail: `This ${this.#words} was deleted. It cannot be changed any more; includeDeleted=true still reads it.`,
      extensions: { deletedAt: row.deleted_at?.toISOString() },
    });
  }

  #mismatch(current: number, expected: number): Problem {
    return new Problem('version_mismatch', {
      detail: `This ${this.#words} has version ${current}, not ${expected}: read it again, then repeat the change with If-Match ${current}.`,
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
