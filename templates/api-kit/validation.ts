import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { FastifySchemaCompiler } from 'fastify';
import { Problem, type ProblemError } from '../../problems/problem.ts';
import { faultsOf, type JsonSchema, type SchemaError } from '../runtime/json-schema.ts';
import type { Payload } from './payload.ts';

/** Values of bodies are not converted: `5` is not a string. Strict mode is off because schemas carry keywords of OpenAPI. */
function bodyValidator(): Ajv2020 {
  const ajv = new Ajv2020({ allErrors: true, verbose: true, useDefaults: true, strict: false, coerceTypes: false });
  formats.default(ajv);
  return ajv;
}

/** Everything outside the body arrives as text, so it is read as what the schema says. */
function parameterValidator(): Ajv2020 {
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false, coerceTypes: true });
  formats.default(ajv);
  return ajv;
}

export function validatorCompiler(): FastifySchemaCompiler<JsonSchema> {
  const body = bodyValidator();
  const parameters = parameterValidator();
  return ({ schema, httpPart }) => (httpPart === 'body' ? body : parameters).compile(schema);
}

/** A check of whole payloads, for rules that can only be checked after a merge. */
export function payloadCheck(schema: JsonSchema): (payload: Payload) => void {
  const validate = bodyValidator().compile(schema);
  return (payload) => {
    if (!validate(payload)) throw invalid(validate.errors ?? [], 'body');
  };
}

/** The problem for the faults a validator found: 422 for the body, 400 for parameters. */
export function invalid(errors: readonly SchemaError[], part: string): Problem {
  const faults = faultsOf(errors);
  const inBody = part === 'body';
  const named: ProblemError[] = faults.map(({ pointer, detail }) =>
    inBody ? { pointer, detail } : { parameter: pointer.slice(1), detail },
  );
  return new Problem(
    inBody ? 'invalid' : 'malformed-request',
    `${named.map((fault) => `${fault.pointer || fault.parameter || 'The body'} ${fault.detail}`).join('; ')}.`,
    {
      errors: named,
    },
  );
}
