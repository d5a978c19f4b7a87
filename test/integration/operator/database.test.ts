import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { databaseNames, otherLogin } from '../../../crds/names.ts';
import { DatabaseServer } from '../../../operator/database/server.ts';
import { Gate } from '../../gate.ts';

/** The operator's work on a real PostgreSQL server, against tenants that do all an owner of a database can do. */
const superuserUrl = inject('tenantry').postgresUrl;
const { signal } = new AbortController();
const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  ended.push(() => client.end().catch(() => {}));
  return client;
}

async function run(url: string, ...statements: string[]): Promise<unknown[]> {
  const client = await connect(url);
  let rows: unknown[] = [];
  for (const statement of statements) ({ rows } = await client.query(statement));
  await client.end();
  return rows;
}

interface Made {
  readonly names: ReturnType<typeof databaseNames>;
  readonly url: string;
}

async function make(server: DatabaseServer): Promise<Made> {
  const names = databaseNames(randomUUID());
  const password = randomBytes(12).toString('hex');
  await server.ensure(names, names.login, password, signal);
  return { names, url: server.urlOf(names, names.login, password) };
}

/** Databases and roles of a tenant that the server has. */
const remains = ({ names }: Made): Promise<unknown[]> =>
  run(
    superuserUrl,
    `SELECT datname AS name FROM pg_database WHERE datname = '${names.database}'
      UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE '${names.database}\\_%'`,
  );

const operatorRole = `operator_${randomBytes(4).toString('hex')}`;
const operatorPassword = randomBytes(12).toString('hex');
const limitedUrl = (() => {
  const url = new URL(superuserUrl);
  url.username = operatorRole;
  url.password = operatorPassword;
  return url.href;
})();
beforeAll(async () => {
  await run(
    superuserUrl,
    `CREATE ROLE ${operatorRole} LOGIN CREATEDB CREATEROLE PASSWORD '${operatorPassword}'`,
    `GRANT CONNECT ON DATABASE postgres TO ${operatorRole}`,
  );
});
afterAll(() => run(superuserUrl, `DROP OWNED BY ${operatorRole}`, `DROP ROLE ${operatorRole}`));

/** Statements by which a tenant makes its database useless to others; `{db}`, `{owner}` and `{login}` are its own. */
const tricks: readonly (readonly [string, string])[] = [
  ['is read-only by default', 'ALTER DATABASE {db} SET default_transaction_read_only = on'],
  ['ends statements after a millisecond', 'ALTER DATABASE {db} SET statement_timeout = 1'],
  ['ends transactions after a millisecond', 'ALTER DATABASE {db} SET transaction_timeout = 1'],
  ['waits for no lock', 'ALTER DATABASE {db} SET lock_timeout = 1'],
  ['ends idle sessions after a millisecond', 'ALTER DATABASE {db} SET idle_session_timeout = 1'],
  ['has another search path', 'ALTER DATABASE {db} SET search_path = nowhere'],
  ['makes sessions act as its owner', 'ALTER DATABASE {db} SET role = {owner}'],
  ['loads a library that is missing', "ALTER DATABASE {db} SET local_preload_libraries = 'missing'"],
  ['has a time zone of its own', "ALTER DATABASE {db} SET timezone = 'Asia/Kathmandu'"],
  ['is a template', 'ALTER DATABASE {db} IS_TEMPLATE true'],
  ['takes no connections', 'ALTER DATABASE {db} ALLOW_CONNECTIONS false'],
  ['has a connection limit of none', 'ALTER DATABASE {db} CONNECTION LIMIT 0'],
  ['lets nobody connect', 'REVOKE ALL ON DATABASE {db} FROM {owner}, {login}'],
];
/** A tenant plays its trick where it may: nobody can close the database they are in, but with the help of another tenant they can. */
const play = (made: Made, statement: string): Promise<unknown> =>
  run(statement.includes('ALLOW_CONNECTIONS') ? superuserUrl : made.url, filled(statement, made));
const filled = (statement: string, { names }: Made): string =>
  statement.replaceAll('{db}', names.database).replaceAll('{owner}', names.owner).replaceAll('{login}', names.login);

describe.each([
  ['a superuser', superuserUrl],
  ['a role with CREATEDB and CREATEROLE', limitedUrl],
])('an operator that is %s', (_who, operatorUrl) => {
  let server: DatabaseServer;
  beforeAll(() => {
    server = new DatabaseServer('default', operatorUrl);
  });
  afterAll(() => server.close());

  /** A tenant, and another that has granted something to each role of the first. */
  async function enemies(): Promise<{ victim: Made; hostile: Made }> {
    const [victim, hostile] = [await make(server), await make(server)];
    const roles = `${victim.names.owner}, ${victim.names.login}`;
    await run(
      hostile.url,
      'CREATE TABLE bait (x int)',
      `GRANT SELECT ON bait TO ${roles}`,
      `ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO ${roles}`,
      `GRANT CREATE ON SCHEMA public TO ${roles}`,
      `GRANT CONNECT ON DATABASE ${hostile.names.database} TO ${roles}`,
      `CREATE POLICY p ON bait TO ${roles}`,
    );
    return { victim, hostile };
  }

  test.each(tricks)('removes a tenant to whose roles a database that %s has granted something', async (_trick, statement) => {
    const { victim, hostile } = await enemies();
    await play(hostile, statement);
    await server.drop(victim.names, signal);
    expect(await remains(victim)).toEqual([]);
    await server.drop(hostile.names, signal);
    expect(await remains(hostile)).toEqual([]);
  });

  test.each(tricks)('removes a tenant whose own database %s', async (_trick, statement) => {
    const made = await make(server);
    await play(made, statement);
    await server.drop(made.names, signal);
    expect(await remains(made)).toEqual([]);
  });

  test.each([
    ['has granted something to the role', 'GRANT INSERT ON bait TO {victim}'],
    ['locks the table whose grants are taken back', 'LOCK TABLE bait IN ACCESS EXCLUSIVE MODE'],
  ])('does not wait for an open transaction that %s', async (_what, statement) => {
    const { victim, hostile } = await enemies();
    const held = await connect(hostile.url);
    await held.query('BEGIN');
    await held.query(statement.replace('{victim}', victim.names.owner));
    await server.drop(victim.names, signal);
    expect(await remains(victim)).toEqual([]);
    await server.drop(hostile.names, signal);
  });

  test('rolls back transactions that were prepared and hold the roles or the database', async () => {
    const { victim, hostile } = await enemies();
    for (const [url, name] of [
      [hostile.url, 'theirs'],
      [victim.url, 'own'],
    ] as const) {
      await run(
        url,
        'BEGIN',
        'CREATE TABLE prepared (x int)',
        `GRANT SELECT ON prepared TO ${victim.names.owner}`,
        `PREPARE TRANSACTION '${name} ${victim.names.database}'`,
      );
    }
    await server.drop(victim.names, signal);
    expect(await remains(victim)).toEqual([]);
    await server.drop(hostile.names, signal);
    expect(await remains(hostile)).toEqual([]);
  });

  test('removes a tenant to whose roles another grants without end, and lets that one in again', async () => {
    const { victim, hostile } = await enemies();
    let attacking = true;
    const attack = async (): Promise<void> => {
      while (attacking) {
        const client = new pg.Client({ connectionString: hostile.url });
        client.on('error', () => {});
        await client
          .connect()
          .then(() => client.query(`GRANT ALL ON bait TO ${victim.names.owner}, ${victim.names.login}`))
          .then(() => client.query(`BEGIN; GRANT ALL ON bait TO ${victim.names.owner}; SELECT pg_sleep(0.2); COMMIT`))
          .catch(() => {});
        await client.end().catch(() => {});
      }
    };
    const attacks = [attack(), attack(), attack()];
    await server.drop(victim.names, signal).finally(() => {
      attacking = false;
    });
    await Promise.all(attacks);
    expect(await remains(victim)).toEqual([]);
    expect(await run(hostile.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.drop(hostile.names, signal);
  });

  test('ends the sessions of a login that it locks', async () => {
    const made = await make(server);
    const open = await connect(made.url);
    await server.lock(made.names.login, signal);
    await expect(open.query('SELECT 1')).rejects.toThrow();
    await expect(connect(made.url)).rejects.toMatchObject({ code: '28P01' });
    await server.ensure(made.names, otherLogin(made.names.login), 'another', signal);
    await server.retain(made.names, signal);
    await expect(connect(server.urlOf(made.names, otherLogin(made.names.login), 'another'))).rejects.toMatchObject({ code: '28P01' });
    await server.drop(made.names, signal);
  });
});

describe('a server that hangs', () => {
  const limitMs = 3_000;

  async function gated(onSent: (text: string, gate: Gate) => void = () => {}): Promise<{ server: DatabaseServer; gate: Gate }> {
    const gate: Gate = new Gate(Number(new URL(superuserUrl).port), (text) => onSent(text, gate));
    const url = new URL(superuserUrl);
    url.port = String(await gate.listen());
    const server = new DatabaseServer('default', url.href, () => {}, limitMs);
    ended.push(async () => {
      gate.stop();
      await server.close();
    });
    return { server, gate };
  }

  test.each(['CREATE DATABASE', 'CREATE ROLE', 'ALTER ROLE'])('holds no worker that has sent %s', async (statement) => {
    let hung = false;
    const { server, gate } = await gated((text, way) => {
      if (hung || !text.includes(statement)) return;
      hung = true;
      way.hang();
    });
    const made = { names: databaseNames(randomUUID()), url: '' };
    const calls = [made.names, ...[1, 2, 3, 4, 5].map(() => databaseNames(randomUUID()))];
    const results = await Promise.allSettled(calls.map((names) => server.ensure(names, names.login, 'password', signal)));
    expect(hung).toBe(true);
    expect(results.some(({ status }) => status === 'rejected')).toBe(true);
    gate.reopen();
    for (const names of calls) {
      await server.ensure(names, names.login, 'password', signal);
      await server.drop(names, signal);
    }
    expect(await remains(made)).toEqual([]);
  });

  test.each(['DROP DATABASE', 'DROP ROLE', 'DROP OWNED'])('holds no deletion that has sent %s', async (statement) => {
    let hung = false;
    const { server, gate } = await gated((text, way) => {
      if (hung || !text.includes(statement)) return;
      hung = true;
      way.hang();
    });
    const [victim, other] = [await make(server), await make(server)];
    await run(other.url, 'CREATE TABLE bait (x int)', `GRANT SELECT ON bait TO ${victim.names.owner}`);
    await expect(server.drop(victim.names, signal)).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(hung).toBe(true);
    gate.reopen();
    await server.drop(victim.names, signal);
    await server.drop(other.names, signal);
    expect(await remains(victim)).toEqual([]);
  });

  test('holds no worker that connects', async () => {
    const { server, gate } = await gated();
    const made = await make(server);
    gate.hang();
    await expect(server.ensure(made.names, made.names.login, 'password', signal)).rejects.toThrow();
    await expect(server.drop(made.names, signal)).rejects.toThrow();
    gate.reopen();
    await server.drop(made.names, signal);
  });

  test('holds no worker that is told to stop', async () => {
    const stop = new AbortController();
    const { server } = await gated((text, way) => {
      if (!text.includes('CREATE DATABASE')) return;
      way.hang();
      stop.abort(new Error('stopped'));
    });
    const names = databaseNames(randomUUID());
    await expect(server.ensure(names, names.login, 'password', stop.signal)).rejects.toThrow('stopped');
  });
});
