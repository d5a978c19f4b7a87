import type { Code } from '../../problems/catalogue.ts';
import type { Caller } from '../runtime/assertion.ts';
import type { JsonSchema } from '../runtime/json-schema.ts';

/** A request as an operation sees it: validated against the operation's schemas. */
export interface OperationRequest {
  readonly path: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: unknown;
  readonly caller: Caller;
}

export interface OperationAnswer {
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One operation of an API. The route, its validation and its entry in the OpenAPI document are all made of it, so they cannot differ. */
export interface Operation {
  /** Becomes the name of the tool. */
  readonly operationId: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With parameters in braces, as in OpenAPI: `/v1/notes/{uid}`. */
  readonly path: string;
  readonly tag: string;
  readonly title: string;
  /** One short sentence, read by LLMs as the description of the tool. */
  readonly description: string;
  readonly parameters: Readonly<Record<string, JsonSchema>>;
  readonly query?: Readonly<Record<string, JsonSchema>>;
  /** For the document only: headers are read by the handler. */
  readonly headers?: Readonly<Record<string, JsonSchema>>;
  readonly body?: OperationBody;
  readonly answer: { readonly status: 200 | 201; readonly description: string; readonly schema: string };
  readonly problems: readonly Code[];
  readonly handle: (request: OperationRequest) => Promise<OperationAnswer>;
}

export interface OperationBody {
  readonly schema: JsonSchema;
  /** Media types; JSON when left out. */
  readonly types?: readonly string[];
  readonly example?: unknown;
  /** The handler checks the body, because its faults are not a payload's. */
  readonly checkedByHandler?: boolean;
}
