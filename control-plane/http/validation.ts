import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import type { Fault } from '../../crds/parameters.ts';
import { escapePointer, pointerParts } from '../../json/pointer.ts';
import { Problem } from '../../problems/problem.ts';
import { withPlainMessages } from './messages.ts';
import { invalid } from './problem.ts';

/** Checks requests against the zod schemas of the route. A wrong body gets 422 with every fault, a wrong query or header 400, a wrong path parameter 404. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart }) => {
  return (data: unknown) => {
    const form = validate(schema, data);
    if (form.fits) return { value: form.value };
    const { faults } = form;
    if (httpPart === 'body') return { error: invalid(faults) };
    const errors = faults.map(({ pointer, message }) => ({
      parameter: pointerParts(pointer).join('.'),
      detail: message.replace('known field', 'known parameter'),
    }));
    const said = errors.map(({ parameter, detail }) => `${parameter} ${detail}`).join('; ');
    const code = httpPart === 'querystring' ? 'invalid-query' : httpPart === 'headers' ? 'malformed-request' : 'route-not-found';
    return { error: new Problem(code, `${said}.`, { errors }) };
  };
};

/** For a route that checks its body itself, together with faults that need lookups. */
export const bodyUnchecked: FastifySchemaCompiler<unknown> = (part) =>
  part.httpPart === 'body' ? (data: unknown) => ({ value: data }) : validatorCompiler({ ...part, schema: part.schema as z.ZodType });

export type Validated<T> = { readonly fits: true; readonly value: T } | { readonly fits: false; readonly faults: readonly Fault[] };

/** The parsed document, or all its faults by JSON pointer, with one fault for each unknown field. */
export function validate<Schema extends z.ZodType>(schema: Schema, document: unknown): Validated<z.output<Schema>> {
  const result = schema.safeParse(document, withPlainMessages);
  if (result.success) return { fits: true, value: result.data };
  const faults = result.error.issues.flatMap((issue): Fault[] => {
    const pointer = pointerTo(issue.path);
    const at = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => `${pointer}/${escapePointer(key)}`) : [pointer];
    return at.map((one) => ({ pointer: one, message: issue.message }));
  });
  return { fits: false, faults };
}

function pointerTo(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${escapePointer(String(part))}`).join('');
}
