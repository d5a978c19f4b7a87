import type { z } from 'zod';
import type { Code } from '../../problems/catalogue.ts';

/** Headers an answer may carry beside those of every answer; described in `document.ts`. */
export type AnswerHeader = 'etag' | 'location' | 'idempotency-replayed';

/** Who calls, by the tokens they have: schemes of the OpenAPI document. */
const tokens = {
  admin: [{ session: [] }],
  user: [{ session: [] }, { oauth: [] }],
  pod: [{ pod: [] }],
  operator: [{ operator: [] }],
  anybody: [],
} as const;
export type Caller = keyof typeof tokens;

interface Description {
  /** `admin` when left out. */
  readonly caller?: Caller;
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

/** Schema of a route, with what the OpenAPI document says beyond it. */
export function operation<const T extends Description>(description: T) {
  const { caller = 'admin', problems, answerHeaders = {}, ...schema } = description;
  return {
    ...(schema as Omit<T, 'caller' | 'problems' | 'answerHeaders'>),
    security: tokens[caller],
    'x-caller': caller,
    'x-problems': problems,
    'x-answer-headers': answerHeaders,
  };
}
