/** Runs in each worker before a file of tests: activates one mutant, or notes which ones the file reaches. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { isActive } from './mutate.ts';

const folder = process.env['TENANTRY_MUTANTS'] ?? '';
const active = Number(readFileSync(join(folder, 'active'), 'utf8'));
const reached = new Set<number>();

Object.assign(globalThis, {
  [isActive]: (id: number): boolean => {
    if (active === 0) reached.add(id);
    return id === active;
  },
});

if (active === 0) {
  afterAll(() => {
    const file = expect.getState().testPath ?? '';
    writeFileSync(
      join(folder, `reached-${Buffer.from(file).toString('base64url').slice(-150)}.json`),
      JSON.stringify({ file, ids: [...reached] }),
    );
  });
}
