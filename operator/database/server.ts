import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import type { databaseNames } from '../../crds/names.ts';

type Names = ReturnType<typeof databaseNames>;

/** Connections one tenant may hold: two pods in a rolling update with five each, the migration, and room to look. */
const connectionLimit = 25;

/**
 * A PostgreSQL server that holds tenants' databases. Each tenant has a database, a role that owns it and cannot log in,
 * and a role that logs in and acts as the owner, so that whatever it makes belongs to the owner and survives rotation.
 */
export class DatabaseServer {
  readonly name: string;
  readonly #url: URL;
  readonly #pool: pg.Pool;

  /** `url` is that of a role which may create databases and roles. */
  constructor(name: string, url: string) {
    this.name = name;
    this.#url = new URL(url);
    this.#pool = new pg.Pool({
      connectionString: url,
      max: 4,
      min: 0,
      idleTimeoutMillis: 10_000,
      connectionTimeoutMillis: 5_000,
      allowExitOnIdle: true,
    });
    // An idle connection that the server ends is replaced at the next query; without a listener it would end the process.
    this.#pool.on('error', () => {});
  }

  /** Connection URL of a tenant's login role. */
  urlOf(names: Names, password: string): string {
    const url = new URL(this.#url);
    url.username = names.login;
    url.password = password;
    url.pathname = `/${names.database}`;
    return url.href;
  }

  /** Creates what is missing of a tenant's roles and database, and sets the password. Safe to repeat. */
  async ensure(names: Names, password: string): Promise<void> {
    const { database, owner, login } = quoted(names);
    const { rows } = await this.#pool.query<{ superuser: boolean; owner: boolean; login: boolean; database: boolean }>(
      `SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
              EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS owner,
              EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS login,
              EXISTS (SELECT FROM pg_database WHERE datname = $3) AS database`,
      [names.owner, names.login, names.database],
    );
    const found = rows[0];
    if (!found?.owner) await this.#pool.query(`CREATE ROLE ${owner} NOLOGIN`);
    // A role that is no superuser must be a member of the owner to give it a database.
    if (!found?.superuser) await this.#pool.query(`GRANT ${owner} TO CURRENT_USER`);
    if (!found?.login) await this.#pool.query(`CREATE ROLE ${login} IN ROLE ${owner}`);
    const verifier = pg.escapeLiteral(scramVerifier(password));
    await this.#pool.query(`ALTER ROLE ${login} WITH LOGIN NOINHERIT CONNECTION LIMIT ${connectionLimit} PASSWORD ${verifier}`);
    await this.#pool.query(`ALTER ROLE ${login} SET role TO ${owner}`);
    if (!found?.database) await this.#pool.query(`CREATE DATABASE ${database} OWNER ${owner}`);
    await this.#pool.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await this.#pool.query(`GRANT CONNECT ON DATABASE ${database} TO ${login}`);
  }

  /** Keeps the data and locks everybody out of it. */
  async retain(names: Names): Promise<void> {
    const { login } = quoted(names);
    if (!(await this.#hasRole(names.login))) return;
    await this.#pool.query(`ALTER ROLE ${login} WITH NOLOGIN PASSWORD NULL`);
    await this.#pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [names.login]);
  }

  /** Removes database and roles. Safe to repeat. */
  async drop(names: Names): Promise<void> {
    const { database, owner, login } = quoted(names);
    await this.#pool.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await this.#pool.query(`DROP ROLE IF EXISTS ${login}`);
    await this.#pool.query(`DROP ROLE IF EXISTS ${owner}`);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #hasRole(name: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
    return rowCount === 1;
  }
}

function quoted(names: Names): Names {
  return {
    database: pg.escapeIdentifier(names.database),
    owner: pg.escapeIdentifier(names.owner),
    login: pg.escapeIdentifier(names.login),
  };
}

/**
 * The SCRAM-SHA-256 verifier of a password, as PostgreSQL stores it, so that the password itself never reaches the server's log:
 * https://www.postgresql.org/docs/current/catalog-pg-authid.html
 */
function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const iterations = 4096;
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const stored = createHash('sha256').update(hmac('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${hmac('Server Key').toString('base64')}`;
}
