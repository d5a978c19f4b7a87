/** Writes the CustomResourceDefinitions: `node crds/generate.ts`, or `--check` to only compare. */
import { join } from 'node:path';
import { definitionFiles } from './definitions.ts';
import { emit } from './generated.ts';

emit(new Map([...definitionFiles()].map(([name, text]) => [join(import.meta.dirname, name), text])));
