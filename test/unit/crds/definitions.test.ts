import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { definitionFiles } from '../../../crds/definitions.ts';

const folder = join(import.meta.dirname, '../../../crds');

/** The files are the published API: a bound or a pattern of a schema changes only together with them. */
test.each([...definitionFiles()])('%s has every bound, pattern and default of its schema', (name, text) => {
  expect(readFileSync(join(folder, name), 'utf8')).toBe(text);
});
