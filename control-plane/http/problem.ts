import { z } from 'zod';
import type { Fault } from '../../crds/parameters.ts';
import { Problem, type ProblemError } from '../../problems/problem.ts';

/** Schema of problem documents for the OpenAPI document. */
export const problemDetails = z
  .object({
    type: z.string().describe('Stable URI of the kind of problem.'),
    code: z.string().describe('Stable name of the kind of problem, the last part of type.'),
    title: z.string().describe('The kind of problem.'),
    status: z.int().describe('HTTP status.'),
    detail: z.string().describe('The fault in this request.'),
    remedy: z.string().describe('How to solve it.'),
    errors: z
      .array(
        z.object({
          pointer: z.string().optional().describe('JSON pointer into the body.'),
          parameter: z.string().optional().describe('Name of a query parameter or header.'),
          detail: z.string(),
        }),
      )
      .optional()
      .describe('Every fault of the request.'),
    requestId: z.string().describe('Id of the request, which is also in X-Request-Id and in the logs.'),
  })
  .meta({ id: 'Problem' });

/** Faults of a document as the errors of a problem. */
export function errorsOf(faults: readonly Fault[]): ProblemError[] {
  return faults.map(({ pointer, message }) => ({ pointer, detail: message }));
}

/** A 422 with every fault of the body. */
export function invalid(faults: readonly Fault[]): Problem {
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`;
  return new Problem('invalid', `The body has ${count}.`, { errors: errorsOf(faults) });
}
