import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import { escapePointer, type Fault } from '../../crds/parameters.ts';
import { invalid, Problem } from './problem.ts';

/** Lets a route's zod schemas check its parts: a body that does not fit is 422 with every fault, a query or a header 400, a path parameter 404. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  return (data: unknown) => {
    const result = schema.safeParse(data);
    if (result.success) return { value: result.data };
    const faults = faultsOf(result.error, data);
    if (httpPart === 'body') return { error: invalid(faults) };
    const said = faults.map(({ pointer, message }) => `${pointer.slice(1)} ${message}`).join('; ');
    if (httpPart === 'querystring') return { error: new Problem('invalid-query', `${said}.`) };
    if (httpPart === 'headers') return { error: new Problem('malformed-request', `${said}.`) };
    return { error: new Problem('route-not-found', `${said}.`) };
  };
};

/** For a route that checks its body itself, together with what only lookups can tell. */
export const bodyUnchecked: FastifySchemaCompiler<unknown> = (part) =>
  part.httpPart === 'body' ? (data: unknown) => ({ value: data }) : validatorCompiler({ ...part, schema: part.schema as z.ZodType });

/** The faults zod found in `document`, by JSON pointer; one for each unknown field. */
export function faultsOf(error: z.ZodError, document: unknown): Fault[] {
  return error.issues.flatMap((issue): Fault[] => {
    const pointer = pointerTo(issue.path);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ pointer: `${pointer}/${escapePointer(key)}`, message: 'is not a known field' }));
    }
    if (issue.code === 'invalid_type' && valueAt(document, issue.path) === undefined) return [{ pointer, message: 'is required' }];
    if (issue.code === 'invalid_format' && issue.format === 'regex' && issue.message.startsWith('Invalid string')) {
      return [{ pointer, message: `must match ${issue.pattern ?? 'the pattern'}` }];
    }
    return [{ pointer, message: issue.message }];
  });
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${escapePointer(String(part))}`).join('');
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => (value as Record<PropertyKey, unknown> | undefined)?.[part], document);
}
