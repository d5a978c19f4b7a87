import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { type databaseNames, otherLogin } from '../../crds/names.ts';

type Names = ReturnType<typeof databaseNames>;

/** Connections one tenant may hold: two pods in a rolling update with five each, the migration, and room to look. */
const connectionLimit = 25;

/**
 * A PostgreSQL server that holds tenants' databases. Each tenant has a database, a role that owns it and cannot log in,
 * and two roles that log in, in turn, and act as the owner, so that whatever they make belongs to the owner and survives rotation.
 */
export class DatabaseServer {
  readonly name: string;
  readonly #url: URL;
  readonly #pool: pg.Pool;
  readonly #beforeWrite: () => void;

  /** `url` is that of a role which may create databases and roles. What `beforeWrite` throws is the failure of a change. */
  constructor(name: string, url: string, beforeWrite: () => void = () => {}) {
    this.name = name;
    this.#beforeWrite = beforeWrite;
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

  /** Connection URL of one of a tenant's login roles. */
  urlOf(names: Names, login: string, password: string): string {
    const url = new URL(this.#url);
    url.username = login;
    url.password = password;
    url.pathname = `/${names.database}`;
    return url.href;
  }

  /** Creates what is missing of a tenant's roles and database, and sets the login's password. Does nothing where that opens the database. */
  async ensure(names: Names, role: string, password: string): Promise<void> {
    if (await opens(this.urlOf(names, role, password))) return;
    await this.#close(['postgres', 'template1']);
    const { database, owner, login } = quoted({ ...names, login: role });
    const { rows } = await this.#pool.query<{ superuser: boolean; owner: boolean; login: boolean; database: boolean }>(
      `SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
              EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS owner,
              EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS login,
              EXISTS (SELECT FROM pg_database WHERE datname = $3) AS database`,
      [names.owner, role, names.database],
    );
    const found = rows[0];
    if (!found?.owner) await this.#change(`CREATE ROLE ${owner} NOLOGIN`);
    // A role that is no superuser must be a member of the owner to give it a database.
    if (!found?.superuser) await this.#change(`GRANT ${owner} TO CURRENT_USER`);
    if (!found?.login) await this.#change(`CREATE ROLE ${login} IN ROLE ${owner}`);
    const verifier = pg.escapeLiteral(scramVerifier(password));
    await this.#change(`ALTER ROLE ${login} WITH LOGIN NOINHERIT CONNECTION LIMIT ${connectionLimit} PASSWORD ${verifier}`);
    await this.#change(`ALTER ROLE ${login} SET role TO ${owner}`);
    if (!found?.database) await this.#change(`CREATE DATABASE ${database} OWNER ${owner} TEMPLATE template0`);
    await this.#change(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
    await this.#change(`GRANT CONNECT ON DATABASE ${database} TO ${login}`);
  }

  /** Keeps the data and locks everybody out of it. */
  async retain(names: Names): Promise<void> {
    for (const login of loginsOf(names)) await this.lock(login);
  }

  /** Ends the connections of a login role and lets nobody in by it. */
  async lock(login: string): Promise<void> {
    if (!(await this.#hasRole(login))) return;
    await this.#change(`ALTER ROLE ${pg.escapeIdentifier(login)} WITH NOLOGIN PASSWORD NULL`);
    await this.#change('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [login]);
  }

  /**
   * Removes database and roles, with what the roles own or were granted elsewhere, because any tenant may grant something to the role
   * of another. Safe to repeat.
   */
  async drop(names: Names): Promise<void> {
    await this.#change(`DROP DATABASE IF EXISTS ${quoted(names).database} WITH (FORCE)`);
    const roles = [...loginsOf(names), names.owner];
    for (const name of roles) {
      if (!(await this.#hasRole(name))) continue;
      for (const place of await this.#dependencies(name)) await this.#inDatabase(place, `DROP OWNED BY ${pg.escapeIdentifier(name)}`);
    }
    for (const name of roles) await this.#change(`DROP ROLE IF EXISTS ${pg.escapeIdentifier(name)}`);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** Names of the databases in which something depends on the role; the present one stands for what all databases share. */
  async #dependencies(role: string): Promise<string[]> {
    const { rows } = await this.#pool.query<{ place: string }>(
      `SELECT DISTINCT coalesce(d.datname, current_database()) AS place
         FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid AND s.refclassid = 'pg_authid'::regclass
         LEFT JOIN pg_database d ON d.oid = s.dbid
        WHERE r.rolname = $1`,
      [role],
    );
    return rows.map(({ place }) => place);
  }

  /** Every change asks first, for the answer may be another than it was a statement before. */
  async #change(statement: string, values: unknown[] = []): Promise<void> {
    this.#beforeWrite();
    await this.#pool.query(statement, values);
  }

  async #inDatabase(database: string, statement: string): Promise<void> {
    const url = new URL(this.#url);
    url.pathname = `/${encodeURIComponent(database)}`;
    const connection = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 5_000 });
    // The query fails when the server ends the connection; without a listener the process would end, too.
    connection.on('error', () => {});
    await connection.connect();
    try {
      this.#beforeWrite();
      await connection.query(statement);
    } finally {
      await connection.end();
    }
  }

  /** Keeps tenants out of databases that every role may enter: one held connection to a template would stop every CREATE DATABASE. */
  async #close(databases: readonly string[]): Promise<void> {
    const { rows } = await this.#pool.query<{ datname: string }>(
      `SELECT datname FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WHERE datname = ANY($1) AND grantee = 0 AND privilege_type = 'CONNECT'
          AND pg_has_role(current_user, datdba, 'USAGE')`,
      [databases],
    );
    for (const { datname } of rows) {
      await this.#change(`REVOKE CONNECT, TEMPORARY ON DATABASE ${pg.escapeIdentifier(datname)} FROM PUBLIC`);
    }
  }

  async #hasRole(name: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query('SELECT FROM pg_roles WHERE rolname = $1', [name]);
    return rowCount === 1;
  }
}

/** Whether the URL lets its role in. @throws when the server itself does not answer. */
async function opens(url: string): Promise<boolean> {
  const connection = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  connection.on('error', () => {});
  try {
    await connection.connect();
    return true;
  } catch (error) {
    // Too many connections: the tenant uses what it has.
    if ((error as { code?: unknown }).code === '53300') return true;
    // 28: the role is unknown or its password another; 3D000: no such database; 42501: no right to connect.
    if (/^(28...|3D000|42501)$/.test(String((error as { code?: unknown }).code))) return false;
    throw error;
  } finally {
    await connection.end().catch(() => {});
  }
}

const loginsOf = ({ login }: Names): string[] => [login, otherLogin(login)];

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
