/** A process that runs files of unit tests against mutants, as the parent orders. It answers each order with an empty message when it is done. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createVitest } from 'vitest/node';
import { type Mutant, mutate } from './mutate.ts';
import { type Order, orderFile } from './order.ts';

const root = join(import.meta.dirname, '../..');
const folder = process.env['TENANTRY_MUTANTS'] ?? '';
const mutants = JSON.parse(readFileSync(join(folder, 'mutants.json'), 'utf8')) as Mutant[];
const first = new Map<string, number>();
for (const { file, id } of mutants) if (!first.has(file)) first.set(file, id);

const starting = createVitest(
  'test',
  {
    config: false,
    root,
    watch: false,
    include: ['test/unit/**/*.test.ts'],
    reporters: [{}],
    maxWorkers: 1,
    // The runner loads the modules anew where that is needed, which is much quicker than a new process.
    isolate: false,
    // The numbers of the mutants change from run to run.
    fsModuleCache: false,
    runner: join(import.meta.dirname, 'mutant-runner.ts'),
    testTimeout: 3_000,
    expect: { poll: { timeout: 1_000 } },
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

async function run(order: Order): Promise<void> {
  writeFileSync(join(folder, orderFile), JSON.stringify(order));
  const vitest = await starting;
  const specification = (await vitest.globTestSpecifications()).find(({ moduleId }) => moduleId === order.file);
  if (specification === undefined) throw new Error(`${order.file} is not a file of unit tests`);
  await vitest.runTestSpecifications(order.own.length === 0 ? [specification] : order.own.map(() => specification));
}

process.on('message', (order: Order) => {
  run(order).then(
    () => process.send?.({}),
    (error: Error) => process.send?.({ error: error.stack }),
  );
});
