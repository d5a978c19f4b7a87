import type { Migration } from 'kysely/migration';

/** Every change of the schema, by name. One that was released never changes again. */
export const migrations: Readonly<Record<string, Migration>> = {};
