import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { backoffMs } from '../../net/backoff.ts';
import { ConfigurationError, type Environment, integer, required } from '../runtime/environment.ts';
import { createLogger, describeError } from '../runtime/logging.ts';
import { switchesOff } from '../runtime/services.ts';
import { untilStopped } from '../runtime/shutdown.ts';
import { AssertionVerifier } from './assertion-verifier.ts';
import { type Database, databaseLocation, isUnavailable, openDatabase } from './database.ts';
import { type Entity, nameInWords } from './entity.ts';
import { itemOperations, maxPageSize } from './item-operations.ts';
import { ItemStore } from './item-store.ts';
import { migrateToLatest } from './migrations.ts';
import { openapiDocument } from './openapi.ts';
import { itemSchema, pageSchema, problemSchema, schemasOf } from './schemas.ts';
import { createApiServer } from './server.ts';
import { payloadCheck } from './validation.ts';

/** A stack whose API is made of entities. */
export interface Stack {
  readonly title: string;
  readonly version: string;
  /** The purpose of the API, for LLMs. */
  readonly description: string;
  readonly entities: readonly Entity[];
}

/** The programs of a stack, by the name they are started with. */
export function stackPrograms(stack: Stack) {
  return {
    api: (environment: Environment) => serve(stack, environment),
    migrate,
  };
}

/** Operations and document of a stack on a database. */
export function describeApi(stack: Stack, db: Database, options: { defaultPageSize: number; clock: () => Date }) {
  const described = stack.entities.map((entity) => ({
    entity,
    schemas: schemasOf(entity),
    store: new ItemStore(db, entity.name, nameInWords(entity)),
  }));
  const stores = new Map(described.map(({ entity, store }) => [entity.name, store]));
  const exists = async (entity: string, uid: string, on?: Database) => (await stores.get(entity)?.exists(uid, on)) ?? false;
  const operations = described.flatMap(({ entity, schemas, store }) =>
    itemOperations({ entity, schemas, store, exists, check: payloadCheck(schemas.payload), ...options }),
  );
  const schemas = described.flatMap(({ entity, schemas: { payload } }) => [
    [entity.name, payload] as const,
    [`${entity.name}_item`, itemSchema({ $ref: `#/components/schemas/${entity.name}` })] as const,
    [`${entity.name}_page`, pageSchema({ $ref: `#/components/schemas/${entity.name}_item` })] as const,
  ]);
  const document = openapiDocument({
    title: stack.title,
    version: stack.version,
    description: stack.description,
    operations,
    schemas: { ...Object.fromEntries(schemas), problem: problemSchema },
  });
  return { operations, document };
}

/** The stack without the parts of services that are off. Their items stay in the database until the service is switched on again. */
export function withoutServices(stack: Stack, off: ReadonlySet<string>): Stack {
  return { ...stack, entities: stack.entities.filter(({ service }) => !off.has(service)) };
}

async function serve(stack: Stack, environment: Environment): Promise<void> {
  const logger = createLogger(environment, 'api');
  const host = required(environment, 'HOST');
  const port = integer(environment, 'PORT', { min: 1, max: 65535, default: 8081 });
  const defaultPageSize = integer(environment, 'DEFAULT_PAGE_SIZE', { min: 1, max: maxPageSize, default: 100 });
  const verifier = new AssertionVerifier({
    jwksFile: required(environment, 'TENANTRY_ASSERTION_JWKS_FILE'),
    tenantUid: required(environment, 'TENANTRY_TENANT_UID'),
  });
  const db = openDatabase(environment, 'api', logger);
  const app = createApiServer({
    ...describeApi(withoutServices(stack, switchesOff(environment)), db, { defaultPageSize, clock: () => new Date() }),
    authenticate: (authorization) => verifier.verify(authorization),
    ready: async () => {
      await sql`select 1`.execute(db);
    },
    logger,
  });
  await app.listen({ host, port });
  await untilStopped(logger, async (deadline) => {
    deadline.addEventListener('abort', () => app.server.closeAllConnections(), { once: true });
    await app.close();
    await db.destroy();
  });
}

/** Brings the database to this version's schema; ends with an error when it cannot be reached in time. */
async function migrate(environment: Environment): Promise<void> {
  const logger = createLogger(environment, 'migrate');
  const waitSeconds = integer(environment, 'MIGRATE_WAIT_SECONDS', { min: 0, max: 3600, default: 60 });
  const deadline = Date.now() + waitSeconds * 1000;
  const db = openDatabase(environment, 'migrate', logger);
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const done = await migrateToLatest(db);
        logger.info({ migrations: done }, 'database is up to date');
        return;
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        if (Date.now() >= deadline) {
          const { code, message } = describeError(error instanceof AggregateError ? error.errors[0] : error);
          throw new ConfigurationError(
            `the database at ${databaseLocation(environment)} could not be used within ${waitSeconds} s (${code ?? message}): check that the server runs, that it can be reached from here, and the credentials in DATABASE_URL`,
          );
        }
        logger.warn({ attempt, err: error }, 'waiting for the database');
        await sleep(Math.min(backoffMs({ firstMs: 250, maxMs: 3000 }, attempt + 1), Math.max(deadline - Date.now(), 1)));
      }
    }
  } finally {
    await db.destroy();
  }
}
