/** A process that runs files of unit tests against one mutant at a time, as the parent asks: `{ id, files }` is answered by `{ failed }`, the tests that failed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createVitest } from 'vitest/node';
import { type Mutant, mutate } from './mutate.ts';

export interface Order {
  /** 0 for the program as it is. */
  readonly id: number;
  /** All unit tests when left out. */
  readonly files?: readonly string[];
}

const root = join(import.meta.dirname, '../..');
const folder = process.env['TENANTRY_MUTANTS'] ?? '';
const mutants = JSON.parse(readFileSync(join(folder, 'mutants.json'), 'utf8')) as Mutant[];
const first = new Map<string, number>();
for (const { file, id } of mutants) if (!first.has(file)) first.set(file, id);

const run = async ({ id, files }: Order): Promise<string[]> => {
  writeFileSync(join(folder, 'active'), String(id));
  const vitest = await starting;
  const all = await vitest.globTestSpecifications();
  const { testModules } = await vitest.runTestSpecifications(
    files === undefined ? all : all.filter(({ moduleId }) => files.includes(moduleId)),
  );
  return testModules
    .filter((module) => !module.ok())
    .flatMap((module) => [module.moduleId, ...[...module.children.allTests('failed')].map((test) => `  ${test.fullName}`)]);
};

const bail = process.env['TENANTRY_MUTANTS_BAIL'] !== undefined;
const starting = createVitest(
  'test',
  {
    config: false,
    root,
    watch: false,
    include: ['test/unit/**/*.test.ts'],
    reporters: [{}],
    bail: bail ? 1 : 0,
    // A module that several files of tests share is loaded once; which of them reaches it must be seen for each.
    isolate: !bail,
    maxWorkers: 2,
    setupFiles: [join(import.meta.dirname, 'setup.ts')],
    testTimeout: bail ? 10_000 : 90_000,
    expect: { poll: { timeout: bail ? 10_000 : 60_000 } },
  },
  {
    plugins: [
      {
        name: 'mutants',
        enforce: 'pre',
        transform(code: string, file: string) {
          const id = first.get(file);
          return id === undefined ? undefined : { code: mutate(file, code, id).code, map: null };
        },
      },
    ],
  },
);
process.on('message', (order: Order) => {
  run(order).then(
    (failed) => process.send?.({ failed }),
    (error: Error) => process.send?.({ failed: [], error: error.stack }),
  );
});
