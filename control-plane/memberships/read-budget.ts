import { sql } from 'kysely';
import type { Store } from '../store/store.ts';

/**
 * WorkOS answers 1,000 reads in 10 s for the whole environment: https://workos.com/docs/reference/rate-limits. The mirror takes at most
 * 200 + 10 * 30 = 500 of them in any 10 s, which leaves the rest for sign-in, the Events API and the customer's own programs.
 */
const burst = 200;
const perSecond = 30;

/** The mirror's share of WorkOS's limit, a token bucket in the database that all replicas share. */
export class ReadBudget {
  readonly #db: Store['db'];

  constructor(store: Pick<Store, 'db'>) {
    this.#db = store.db;
  }

  /** Takes one request from the budget. @returns false when it is used up. */
  async take(): Promise<boolean> {
    const filled = sql`least(${burst}::float8, b.tokens + ${perSecond}::float8 * extract(epoch FROM clock_timestamp() - b.refilled_at)::float8)`;
    const { rows } = await sql`
      INSERT INTO read_budgets AS b (name, tokens, refilled_at) VALUES ('memberships', ${burst - 1}, clock_timestamp())
      ON CONFLICT (name) DO UPDATE SET tokens = ${filled} - 1, refilled_at = clock_timestamp() WHERE ${filled} >= 1
      RETURNING name`.execute(this.#db);
    return rows.length > 0;
  }
}
