import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { databaseNames, otherLogin } from '../../crds/names.ts';
import { openPool, Session, withConnection, withSettings } from './session.ts';

type Names = ReturnType<typeof databaseNames>;

/** Most connections of one tenant: two pods in a rolling update with five each, the migration, and a reserve. */
const connectionLimit = 25;

/** Longest time of one call, in milliseconds. It bounds how long a server that hangs can hold a worker. */
const callMs = 30_000;

/** Delay between two queries for the sessions that block a statement, in milliseconds. */
const lookMs = 50;

/**
 * A PostgreSQL server that holds tenants' databases. Each tenant has a database, a role that owns it and cannot log in, and two login
 * roles. The login roles take turns and act as the owner. So everything they create belongs to the owner and survives a rotation.
 *
 * A tenant has all rights of an owner on its database. It can for example grant privileges to the role of another tenant while that role is
 * being removed.
 */
export class DatabaseServer {
  readonly name: string;
  readonly #url: URL;
  readonly #pool: pg.Pool;
  readonly #beforeWrite: () => void;
  readonly #callMs: number;

  /** `url` names a role that may create databases and roles. An error that `beforeWrite` throws fails the change. */
  constructor(name: string, url: string, beforeWrite: () => void = () => {}, limitMs = callMs) {
    this.name = name;
    this.#beforeWrite = beforeWrite;
    this.#callMs = limitMs;
    this.#url = new URL(url);
    this.#pool = openPool(this.#url);
  }

  /** Connection URL of one of a tenant's login roles. */
  urlOf(names: Names, login: string, password: string): string {
    const url = new URL(this.#url);
    url.username = login;
    url.password = password;
    url.pathname = `/${names.database}`;
    return url.href;
  }

  /**
   * Creates the missing roles and the missing database of a tenant, and sets the login's password. Does nothing when the login already
   * opens the database.
   */
  async ensure(names: Names, role: string, password: string, signal: AbortSignal): Promise<void> {
    const deadline = this.#deadline(signal);
    if (await opens(this.urlOf(names, role, password), deadline)) return;
    await this.#withSession(deadline, async (session) => {
      await closeTemplates(session);
      const { database, owner, login } = quoted({ ...names, login: role });
      const [found] = await session.read<{ owner: boolean; login: boolean; database: boolean }>(
        `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS owner,
                EXISTS (SELECT FROM pg_roles WHERE rolname = $2) AS login,
                EXISTS (SELECT FROM pg_database WHERE datname = $3) AS database`,
        [names.owner, role, names.database],
      );
      if (!found?.owner) await session.change(`CREATE ROLE ${owner} NOLOGIN`);
      if (!found?.login) await session.change(`CREATE ROLE ${login} IN ROLE ${owner}`);
      await join(session, [names.owner, role]);
      const verifier = pg.escapeLiteral(scramVerifier(password));
      await session.change(`ALTER ROLE ${login} WITH LOGIN NOINHERIT CONNECTION LIMIT ${connectionLimit} PASSWORD ${verifier}`);
      await session.change(`ALTER ROLE ${login} SET role TO ${owner}`);
      if (!found?.database) await session.change(`CREATE DATABASE ${database} OWNER ${owner} TEMPLATE template0`);
      await session.change(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
      await session.change(`GRANT CONNECT ON DATABASE ${database} TO ${login}`);
    });
  }

  /** Keeps the data and locks all logins of the tenant. */
  async retain(names: Names, signal: AbortSignal): Promise<void> {
    await this.#withSession(this.#deadline(signal), async (session) => {
      for (const login of loginsOf(names)) await lock(session, login);
    });
  }

  /** Ends the connections of a login role and disables its login. */
  async lock(login: string, signal: AbortSignal): Promise<void> {
    await this.#withSession(this.#deadline(signal), (session) => lock(session, login));
  }

  /**
   * Removes the database and the roles, with everything the roles own or were granted elsewhere. Any tenant may grant privileges to the
   * role of another. Safe to repeat.
   */
  async drop(names: Names, signal: AbortSignal): Promise<void> {
    const deadline = this.#deadline(signal);
    await this.#withSession(deadline, async (session) => {
      for (const login of loginsOf(names)) await lock(session, login);
      await this.#dropDatabase(session, names, deadline);
      for (const role of [...loginsOf(names), names.owner]) await this.#dropRole(session, role, deadline);
    });
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  #deadline(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, AbortSignal.timeout(this.#callMs)]);
  }

  async #withSession<T>(deadline: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
    deadline.throwIfAborted();
    const client = await this.#pool.connect();
    try {
      return await work(new Session(client, deadline, this.#beforeWrite));
    } finally {
      // The answer to a statement may still be on its way. Such a connection is closed, not reused.
      client.release(deadline.aborted);
    }
  }

  async #dropDatabase(session: Session, names: Names, deadline: AbortSignal): Promise<void> {
    const { database } = quoted(names);
    const [found] = await session.read<{ template: boolean }>('SELECT datistemplate AS template FROM pg_database WHERE datname = $1', [
      names.database,
    ]);
    if (!found) return;
    // PostgreSQL refuses to drop a template, or a database with a prepared transaction.
    if (found.template) await session.change(`ALTER DATABASE ${database} IS_TEMPLATE false`);
    await this.#rollBackPrepared(session, names.database, deadline);
    await endSessions(session, 'datname', names.database);
    await session.change(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  }

  /**
   * Removes a role that sessions of other tenants may keep locked. The second attempt disables the logins of those tenants while it runs.
   */
  async #dropRole(session: Session, role: string, deadline: AbortSignal): Promise<void> {
    if (!(await hasRole(session, role))) return;
    await join(session, [role]);
    const attempt = async (places: readonly string[]): Promise<void> => {
      for (const place of places) await this.#insist(session, place, `DROP OWNED BY ${pg.escapeIdentifier(role)}`, deadline);
      await this.#insist(session, this.#maintenance, `DROP ROLE IF EXISTS ${pg.escapeIdentifier(role)}`, deadline);
    };
    try {
      await attempt(await placesOf(session, role));
    } catch {
      deadline.throwIfAborted();
      const places = await placesOf(session, role);
      await withoutLogins(session, places, async () => {
        for (const place of places) await this.#rollBackPrepared(session, place, deadline);
        await attempt(await placesOf(session, role));
      });
    }
  }

  /**
   * Runs a statement in a database, and ends the sessions that block it. No other session can overtake the statement, because PostgreSQL
   * grants locks in the order of the requests.
   */
  async #insist(session: Session, database: string, statement: string, deadline: AbortSignal): Promise<void> {
    await this.#inDatabase(session, database, deadline, async (inside) => {
      const [own] = await inside.read<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      let done = false;
      const change = inside.change(statement).finally(() => {
        done = true;
      });
      const watch = async (): Promise<void> => {
        while (!(await Promise.race([change.then(() => true), delay(lookMs, false, { signal: deadline })]))) {
          const blocking = await session.read<{ pid: number }>('SELECT pid FROM unnest(pg_blocking_pids($1)) AS pid WHERE pid > 0', [
            own?.pid,
          ]);
          for (const { pid } of done ? [] : blocking) await endSessions(session, 'pid', pid);
        }
      };
      await Promise.all([change, watch()]);
    });
  }

  async #inDatabase<T>(session: Session, database: string, deadline: AbortSignal, work: (inside: Session) => Promise<T>): Promise<T> {
    const url = new URL(this.#url);
    if (database !== this.#maintenance) {
      await letIn(session, database);
      url.pathname = `/${encodeURIComponent(database)}`;
    }
    const connection = withSettings(url, await overridden(session, database));
    return withConnection(connection, deadline, (client) => work(new Session(client, deadline, this.#beforeWrite)));
  }

  /** Rolls back prepared transactions of the two-phase commit. They hold their locks without a session. */
  async #rollBackPrepared(session: Session, database: string, deadline: AbortSignal): Promise<void> {
    const prepared = await session.read<{ gid: string; owner: string }>('SELECT gid, owner FROM pg_prepared_xacts WHERE database = $1', [
      database,
    ]);
    if (prepared.length === 0) return;
    await this.#inDatabase(session, database, deadline, async (inside) => {
      for (const { gid, owner } of prepared) {
        await inside.change(`SET ROLE ${pg.escapeIdentifier(owner)}`);
        await inside.change(`ROLLBACK PREPARED ${pg.escapeLiteral(gid)}`);
      }
    });
  }

  /** Name of the database in the operator's own URL. */
  get #maintenance(): string {
    return decodeURIComponent(this.#url.pathname.slice(1)) || decodeURIComponent(this.#url.username);
  }
}

async function hasRole(session: Session, name: string): Promise<boolean> {
  return (await session.read('SELECT FROM pg_roles WHERE rolname = $1', [name])).length === 1;
}

async function lock(session: Session, login: string): Promise<void> {
  if (!(await hasRole(session, login))) return;
  await session.change(`ALTER ROLE ${pg.escapeIdentifier(login)} WITH NOLOGIN PASSWORD NULL`);
  await endSessions(session, 'usename', login);
}

/** Makes the operator a member of the roles, unless it is a superuser. As a member it has their privileges and may end their sessions. */
async function join(session: Session, roles: readonly string[]): Promise<void> {
  const missing = await session.read<{ rolname: string }>(
    `SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND NOT pg_has_role(current_user, oid, 'USAGE')`,
    [roles],
  );
  for (const { rolname } of missing) await session.change(`GRANT ${pg.escapeIdentifier(rolname)} TO CURRENT_USER`);
}

async function endSessions(session: Session, by: 'datname' | 'pid' | 'usename', value: string | number): Promise<void> {
  const others = `FROM pg_stat_activity WHERE ${by} = $1 AND backend_type = 'client backend' AND usename <> current_user`;
  const found = await session.read<{ usename: string }>(`SELECT DISTINCT usename ${others}`, [value]);
  if (found.length === 0) return;
  await join(
    session,
    found.map(({ usename }) => usename),
  );
  await session.change(`SELECT pg_terminate_backend(pid) ${others}`, [value]);
}

/**
 * Names of the databases in which an object depends on the role, or a session or prepared transaction locks it. The current database stands
 * for shared objects.
 */
async function placesOf(session: Session, role: string): Promise<string[]> {
  const rows = await session.read<{ place: string }>(
    `WITH wanted AS (SELECT oid FROM pg_roles WHERE rolname = $1),
          held AS (SELECT pid, virtualtransaction FROM pg_locks JOIN wanted ON wanted.oid = objid WHERE classid = 'pg_authid'::regclass)
     SELECT coalesce(d.datname, current_database()) AS place
       FROM pg_shdepend s JOIN wanted ON wanted.oid = s.refobjid AND s.refclassid = 'pg_authid'::regclass
       LEFT JOIN pg_database d ON d.oid = s.dbid
      UNION SELECT datname FROM pg_stat_activity JOIN held USING (pid) WHERE datname IS NOT NULL
      UNION SELECT x.database FROM held JOIN pg_locks own USING (virtualtransaction) JOIN pg_prepared_xacts x ON x.transaction = own.transactionid
             WHERE held.pid IS NULL AND own.pid IS NULL`,
    [role],
  );
  return rows.map(({ place }) => place);
}

/** Lets the operator into a database whose owner has closed it: forbidden or limited connections, or a revoked CONNECT privilege. */
async function letIn(session: Session, database: string): Promise<void> {
  const name = pg.escapeIdentifier(database);
  const { owner, login } = databaseNames(database.replace(/^tenant_/, ''));
  await join(session, [owner, login, otherLogin(login)]);
  const [found] = await session.read<{ shut: boolean; limited: boolean; barred: boolean }>(
    `SELECT NOT datallowconn AS shut, datconnlimit >= 0 AS limited, NOT has_database_privilege(current_user, oid, 'CONNECT') AS barred
       FROM pg_database WHERE datname = $1`,
    [database],
  );
  if (found?.shut) await session.change(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
  if (found?.limited) await session.change(`ALTER DATABASE ${name} CONNECTION LIMIT -1`);
  if (found?.barred) await session.change(`GRANT CONNECT ON DATABASE ${name} TO CURRENT_USER`);
}

/** The server's own values of the settings that the owner of a database has overridden. */
async function overridden(session: Session, database: string): Promise<Record<string, string>> {
  const rows = await session.read<{ name: string; value: string }>(
    `SELECT DISTINCT name, current_setting(name) AS value
       FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase,
            unnest(s.setconfig) AS chosen, split_part(chosen, '=', 1) AS name
      WHERE d.datname = $1 AND name IN (SELECT name FROM pg_settings WHERE context = 'user')`,
    [database],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

/**
 * Runs `work` while the logins of the tenants' databases are disabled. If a login stays disabled here, the next reconcile of its tenant
 * enables it.
 */
async function withoutLogins(session: Session, databases: readonly string[], work: () => Promise<void>): Promise<void> {
  const logins = databases.flatMap((database) => loginsOf({ ...databaseNames(database.replace(/^tenant_/, '')) }));
  const open = await session.read<{ rolname: string }>('SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND rolcanlogin', [logins]);
  try {
    for (const { rolname } of open) {
      await session.change(`ALTER ROLE ${pg.escapeIdentifier(rolname)} NOLOGIN`);
      await endSessions(session, 'usename', rolname);
    }
    await work();
  } finally {
    for (const { rolname } of open) {
      if (await hasRole(session, rolname)) await session.change(`ALTER ROLE ${pg.escapeIdentifier(rolname)} LOGIN`);
    }
  }
}

/** Keeps tenants out of databases that every role may enter. One open connection to a template would block every CREATE DATABASE. */
async function closeTemplates(session: Session): Promise<void> {
  const rows = await session.read<{ datname: string }>(
    `SELECT datname FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
      WHERE datname IN ('postgres', 'template1') AND grantee = 0 AND privilege_type = 'CONNECT'
        AND pg_has_role(current_user, datdba, 'USAGE')`,
  );
  for (const { datname } of rows) {
    await session.change(`REVOKE CONNECT, TEMPORARY ON DATABASE ${pg.escapeIdentifier(datname)} FROM PUBLIC`);
  }
}

/** Whether the role of the URL can log in. @throws when the server itself does not answer. */
async function opens(url: string, deadline: AbortSignal): Promise<boolean> {
  try {
    return await withConnection(url, deadline, async () => true);
  } catch (error) {
    const code = String((error as { code?: unknown }).code);
    // Too many connections. The tenant uses those that it has.
    if (code === '53300') return true;
    // 28: unknown role or wrong password; 3D000: no such database; 42501: no privilege to connect.
    if (/^(28...|3D000|42501)$/.test(code)) return false;
    throw error;
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
 * The SCRAM-SHA-256 verifier of a password, as PostgreSQL stores it. With it the password itself never reaches the server's log:
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
