import { entryOf } from '../../problems/catalogue.ts';
import { mediaType } from '../../problems/problem.ts';
import type { JsonSchema } from '../runtime/json-schema.ts';
import type { Operation } from './operation.ts';

export interface DocumentOptions {
  readonly title: string;
  readonly version: string;
  /** The purpose of the API; LLM clients get it as the server's instructions. */
  readonly description: string;
  readonly operations: readonly Operation[];
  /** Schemas that answers name. */
  readonly schemas: Readonly<Record<string, JsonSchema>>;
}

/** The OpenAPI 3.1 document of the operations: https://spec.openapis.org/oas/v3.1.1.html */
export function openapiDocument(options: DocumentOptions): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const operation of options.operations) {
    const path = paths[operation.path] ?? {};
    paths[operation.path] = path;
    path[operation.method.toLowerCase()] = operationObject(operation);
  }
  return {
    openapi: '3.1.1',
    info: { title: options.title, version: options.version, description: options.description },
    // Relative to where the document is read from: inside the pod and at the tenant's public API alike.
    servers: [{ url: '.' }],
    tags: [...new Set(options.operations.map((operation) => operation.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: options.schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'API key, or OAuth token for the audience of this URL.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
    security: [{ bearer: [] }, { apiKey: [] }],
  };
}

function operationObject(operation: Operation): Record<string, unknown> {
  const { body, answer } = operation;
  const parameters = [
    ...Object.entries(operation.parameters).map(([name, schema]) => ({ name, in: 'path', required: true, schema })),
    ...Object.entries(operation.query ?? {}).map(([name, schema]) => ({ name, in: 'query', schema })),
    ...Object.entries(operation.headers ?? {}).map(([name, schema]) => ({ name, in: 'header', schema })),
  ];
  return {
    operationId: operation.operationId,
    summary: operation.title,
    description: operation.description,
    tags: [operation.tag],
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: {
        required: true,
        content: Object.fromEntries(
          (body.types ?? ['application/json']).map((type) => [
            type,
            { schema: body.schema, ...(body.example !== undefined && { example: body.example }) },
          ]),
        ),
      },
    }),
    responses: {
      [answer.status]: {
        description: answer.description,
        content: { 'application/json': { schema: { $ref: `#/components/schemas/${answer.schema}` } } },
      },
      ...problemResponses(operation),
    },
  };
}

function problemResponses(operation: Operation): Record<string, unknown> {
  const byStatus = new Map<number, string[]>();
  for (const code of [...operation.problems, 'unauthenticated', 'forbidden', 'store-unavailable'] as const) {
    const { status, title } = entryOf(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), title]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, titles]) => [
      status,
      {
        description: `${titles.join(', or ')}.`,
        content: { [mediaType]: { schema: { $ref: '#/components/schemas/problem' } } },
      },
    ]),
  );
}
