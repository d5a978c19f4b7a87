import type { z } from 'zod';
import type { Code } from './catalogue.ts';

/** Headers an answer may carry beside those of every answer; described in `document.ts`. */
export type AnswerHeader = 'etag' | 'location' | 'idempotency-replayed';

interface Description {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly params?: z.ZodType;
  readonly querystring?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType;
  /** Answers that are no problems, by status. */
  readonly response: Readonly<Record<number, z.ZodType>>;
  /** Problems of this operation, beside those every operation of its kind has. */
  readonly problems: readonly Code[];
  readonly answerHeaders?: Readonly<Record<number, readonly AnswerHeader[]>>;
  /** Media types of the body, where there are more than `application/json`. */
  readonly consumes?: readonly string[];
}

/** Schema of a route of the Admin API, with what the OpenAPI document says beyond it. */
export function operation<const T extends Description>(description: T) {
  const { problems, answerHeaders = {}, ...schema } = description;
  return {
    ...(schema as Omit<T, 'problems' | 'answerHeaders'>),
    security: [{ session: [] }],
    'x-problems': problems,
    'x-answer-headers': answerHeaders,
  };
}
