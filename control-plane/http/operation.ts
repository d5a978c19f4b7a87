import type { z } from 'zod';
import type { Code } from '../../problems/catalogue.ts';

/** Headers of some answers, beside those of every answer. `document.ts` describes them. */
export type AnswerHeader = 'etag' | 'location' | 'idempotency-replayed';

/** Callers by the kind of their token: security schemes of the OpenAPI document. */
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
  /** Successful answers, by status. */
  readonly response: Readonly<Record<number, z.ZodType>>;
  /** Problems of this operation, beside the problems of all operations of its kind. */
  readonly problems: readonly Code[];
  readonly answerHeaders?: Readonly<Record<number, readonly AnswerHeader[]>>;
  /** Media types of the body; `application/json` when left out. */
  readonly consumes?: readonly string[];
}

/** Schema of a route, with the parts that only the OpenAPI document uses. */
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
