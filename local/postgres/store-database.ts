import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { writePrivate } from '../machine/files.ts';

const usual = { database: 'tenantry', role: 'tenantry_control_plane' } as const;

/**
 * Creates the control plane's database, and a role that owns only this database, unless they exist.
 * @param serverUrl URL of a superuser.
 * @param passwordFile file that keeps the role's password.
 * @param names names of database and role, for a server that several control planes share.
 * @returns the URL for the control plane, password included: never log it.
 */
export async function ensureStoreDatabase(
  serverUrl: string,
  passwordFile: string,
  names: { readonly database: string; readonly role: string } = usual,
): Promise<string> {
  const { database, role } = names;
  if (!existsSync(passwordFile)) writePrivate(passwordFile, randomBytes(24).toString('base64url'));
  const password = readFileSync(passwordFile, 'utf8').trim();
  const connection = new pg.Client({ connectionString: serverUrl });
  await connection.connect();
  try {
    const has = async (query: string, value: string): Promise<boolean> => (await connection.query(query, [value])).rowCount === 1;
    if (!(await has('SELECT FROM pg_roles WHERE rolname = $1', role))) await connection.query(`CREATE ROLE ${role} NOSUPERUSER`);
    await connection.query(`ALTER ROLE ${role} WITH LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
    if (!(await has('SELECT FROM pg_database WHERE datname = $1', database))) {
      await connection.query(`CREATE DATABASE ${database} OWNER ${role} TEMPLATE template0`);
    }
  } finally {
    await connection.end();
  }
  const url = new URL(serverUrl);
  url.username = role;
  url.password = password;
  url.pathname = `/${database}`;
  return url.href;
}
