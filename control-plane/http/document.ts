import type { RouteOptions } from 'fastify';
import { type Code, controlPlane, entryOf, shared } from '../../problems/catalogue.ts';
import { mediaType, Problem } from '../../problems/problem.ts';
import { withoutCustomResources, withTidySchemas } from './document-schemas.ts';
import type { Caller } from './operation.ts';

type Json = Record<string, unknown>;
interface Operation extends Json {
  readonly requestBody?: unknown;
  readonly parameters?: readonly { readonly in: string; name: string }[];
  readonly responses: Record<string, Json>;
}

const methods = new Set(['get', 'put', 'post', 'delete', 'patch']);

/** Adds the permission that a route's hook requires to the route's schema. */
export function namePermission({ onRequest, schema }: RouteOptions): void {
  const permission = [onRequest].flat().flatMap((hook) => (hook !== undefined && 'permission' in hook ? [hook.permission] : []));
  if (schema !== undefined && permission.length > 0) Object.assign(schema, { security: [{ session: permission }] });
}

/** Problems of every operation. */
const ofAll: readonly Code[] = ['malformed-request', 'request-timeout', 'headers-too-large', 'overloaded'];
const unavailable: readonly Code[] = ['kubernetes-unavailable', 'store-unavailable'];
/** Problems of callers that send a token. */
const ofCaller: Readonly<Record<Caller, readonly Code[]>> = {
  admin: ['unauthenticated', 'forbidden', 'too-many-requests', ...unavailable, 'identity-provider-unavailable'],
  user: ['unauthenticated', 'too-many-requests', ...unavailable, 'identity-provider-unavailable'],
  pod: ['unauthenticated', ...unavailable],
  operator: ['unauthenticated', ...unavailable],
  anybody: [],
};
const ofWrites: readonly Code[] = ['body-too-large', 'unsupported-media-type', 'invalid'];

const text = (description: string, example: string): Json => ({ description, schema: { type: 'string' }, example });
const count = (description: string, example: number): Json => ({ description, schema: { type: 'integer', minimum: 0 }, example });

/** Headers of answers, by component name. */
const headers = {
  XRequestId: text('Id of the request, which is also in the logs.', '0f8fad5b-d9cb-469f-a165-70867728950e'),
  ETag: text('Version of the answer, for If-None-Match and If-Match.', '"4711-Jb2mfRhGZ0qt"'),
  Location: text('Path of the created object.', '/admin/tenants/acme'),
  IdempotencyReplayed: {
    description: 'Whether this answer repeats the answer to an earlier request with the same Idempotency-Key.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
  WWWAuthenticate: text('The required authentication (RFC 6750).', 'Bearer realm="tenantry-admin"'),
  RetryAfter: count('Seconds after which the same request may succeed.', 5),
  RateLimitLimit: count('Requests allowed in this window.', 600),
  RateLimitRemaining: count('Requests left in this window.', 599),
  RateLimitReset: count('Seconds until this window ends.', 42),
} as const satisfies Record<string, Json>;

const answerHeaders: Readonly<Record<string, keyof typeof headers>> = {
  etag: 'ETag',
  location: 'Location',
  'idempotency-replayed': 'IdempotencyReplayed',
};

const limits = {
  'RateLimit-Limit': 'RateLimitLimit',
  'RateLimit-Remaining': 'RateLimitRemaining',
  'RateLimit-Reset': 'RateLimitReset',
} as const;

/**
 * Completes the OpenAPI document with the problems of each operation and the headers of answers. The `x-` fields that `operation` adds for
 * this are removed.
 */
export function completeDocument<T extends object>(document: T): T {
  const { paths = {}, components = {} } = document as { paths?: Record<string, Record<string, Operation>>; components?: Json };
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) if (methods.has(method)) complete(path, method, operation);
  }
  components['headers'] = headers;
  const codes = Object.keys({ ...shared, ...controlPlane }) as Code[];
  components['examples'] = Object.fromEntries(codes.map((code) => [code, { summary: entryOf(code).title, value: example(code) }]));
  return withTidySchemas(withoutCustomResources({ ...document, components }) as T & { components: Json });
}

function complete(path: string, method: string, operation: Operation): void {
  const { responses } = operation;
  const caller = operation['x-caller'] as Caller | undefined;
  if (caller === undefined || operation['operationId'] === undefined) throw new Error(`${method} ${path} is not described by operation()`);
  const ofEach = headerReferences({ 'X-Request-Id': 'XRequestId', ...(caller === 'admin' || caller === 'user' ? limits : {}) });
  const declared = (operation['x-answer-headers'] ?? {}) as Record<string, readonly string[]>;
  for (const [status, response] of Object.entries(responses))
    responses[status] = { ...response, ...described(response), headers: { ...ofEach, ...named(declared[status] ?? []) } };
  const own = (operation['x-problems'] ?? []) as readonly Code[];
  // An impossible path parameter is answered like a path that does not exist.
  const ofPath: readonly Code[] = path.includes('{') ? ['route-not-found'] : [];
  const codes = new Set([...ofAll, ...ofPath, ...ofCaller[caller], ...(method === 'get' ? [] : ofWrites), ...own]);
  for (const [status, ofStatus] of Map.groupBy(codes, (code) => entryOf(code).status))
    responses[status] = problem(status, ofStatus, ofEach);
  for (const parameter of operation.parameters ?? []) if (parameter.in === 'header') parameter.name = title(parameter.name);
  for (const key of Object.keys(operation)) if (key.startsWith('x-')) delete operation[key];
}

function problem(status: number, codes: readonly Code[], ofEach: Json): Json {
  const challenge = status === 401 || status === 403 ? { 'WWW-Authenticate': 'WWWAuthenticate' as const } : {};
  const later =
    codes.some((code) => entryOf(code).retryAfter !== undefined) || status === 429 ? { 'Retry-After': 'RetryAfter' as const } : {};
  return {
    description: codes.map((code) => `\`${code}\`: ${entryOf(code).title}. ${entryOf(code).remedy}`).join('\n\n'),
    headers: { ...ofEach, ...headerReferences({ ...challenge, ...later }) },
    content: {
      [mediaType]: {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

/** Descriptions of answers that a route describes itself. */
function described({ description }: Json): Json {
  return description === 'Default Response' ? { description: 'Success.' } : {};
}

function example(code: Code): Json {
  const errors = code === 'invalid' ? [{ pointer: '/displayName', detail: 'must be a string' }] : [];
  return { ...new Problem(code, `${entryOf(code).title}.`, { errors }).document('0f8fad5b-d9cb-469f-a165-70867728950e') };
}

function headerReferences(names: Readonly<Record<string, keyof typeof headers>>): Json {
  return Object.fromEntries(Object.entries(names).map(([name, component]) => [name, { $ref: `#/components/headers/${component}` }]));
}

function named(names: readonly string[]): Json {
  return headerReferences(Object.fromEntries(names.map((name) => [title(name), answerHeaders[name] ?? 'XRequestId'])));
}

/** `etag` -> `ETag`, `idempotency-replayed` -> `Idempotency-Replayed`. */
function title(name: string): string {
  return name === 'etag' ? 'ETag' : name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
}
