import { z } from 'zod';
import type { Fault } from '../../crds/parameters.ts';
import { type Code, catalogue, typeOf } from './catalogue.ts';

/** Body of every error answer: RFC 9457 problem details, `application/problem+json`. */
export const problemDetails = z
  .object({
    type: z.string().describe('Stable URI of the kind of problem.'),
    title: z.string().describe('What the kind of problem is.'),
    status: z.int().describe('HTTP status.'),
    detail: z.string().describe('What is wrong here, and what to do.'),
    instance: z.string().describe('Id of the request, as in X-Request-Id and in the logs.'),
    errors: z
      .array(z.object({ pointer: z.string().describe('JSON pointer into the body.'), message: z.string() }))
      .optional()
      .describe('Every fault of the body.'),
  })
  .meta({ id: 'Problem' });

/** A request that cannot be answered as asked. Thrown anywhere below a route; rendered in one place. */
export class Problem extends Error {
  readonly code: Code;
  readonly faults: readonly Fault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: Code,
    detail: string,
    options: { faults?: readonly Fault[]; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(detail, { cause: options.cause });
    this.code = code;
    this.faults = options.faults ?? [];
    const entry = catalogue[code];
    this.headers = { ...('retryAfter' in entry ? { 'retry-after': String(entry.retryAfter) } : {}), ...options.headers };
  }

  get status(): number {
    return catalogue[this.code].status;
  }

  render(requestId: string): z.infer<typeof problemDetails> {
    const { status, title } = catalogue[this.code];
    return {
      type: typeOf(this.code),
      title,
      status,
      detail: this.message,
      instance: requestId,
      ...(this.faults.length === 0 ? {} : { errors: this.faults.map(({ pointer, message }) => ({ pointer, message })) }),
    };
  }
}

/** A body that breaks rules: 422 naming every fault. */
export function invalid(faults: readonly Fault[]): Problem {
  const count = faults.length === 1 ? 'one fault' : `${faults.length} faults`;
  return new Problem('invalid', `The body has ${count}; see errors.`, { faults });
}
