import { type Code, catalogue, typeOf } from './catalogue.ts';
import { withoutCustomResources, withTidySchemas } from './document-schemas.ts';

type Json = Record<string, unknown>;
interface Operation extends Json {
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: unknown;
  readonly parameters?: readonly { readonly in: string; name: string }[];
  readonly responses: Record<string, Json>;
}

const methods = new Set(['get', 'put', 'post', 'delete', 'patch']);

/** Problems of every operation: nobody is so near the limits that it cannot meet them. */
const ofAll: readonly Code[] = ['malformed-request', 'too-many-requests', 'headers-too-large', 'overloaded'];
const ofSessions: readonly Code[] = [
  'unauthenticated',
  'forbidden',
  'kubernetes-unavailable',
  'store-unavailable',
  'identity-provider-unavailable',
];
const ofWrites: readonly Code[] = ['body-too-large', 'unsupported-media-type', 'invalid'];

const text = (description: string, example: string): Json => ({ description, schema: { type: 'string' }, example });
const count = (description: string, example: number): Json => ({ description, schema: { type: 'integer', minimum: 0 }, example });

/** Headers of answers, by the name of their component. */
const headers = {
  XRequestId: text('Id of the request, as the logs have it.', '0f8fad5b-d9cb-469f-a165-70867728950e'),
  ETag: text('Version of what is answered, for If-None-Match and If-Match.', '"4711-Jb2mfRhGZ0qt"'),
  Location: text('Path of what was created.', '/admin/tenants/acme'),
  IdempotencyReplayed: {
    description: 'Whether this is the answer to an earlier request with the same Idempotency-Key.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
  WWWAuthenticate: text('What is wanted (RFC 6750).', 'Bearer realm="tenantry-admin"'),
  RetryAfter: count('Seconds after which the same request may succeed.', 5),
  RateLimitLimit: count('Requests allowed in a window.', 600),
  RateLimitRemaining: count('Requests left in this window.', 599),
  RateLimitReset: count('Seconds until the window is over.', 42),
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
 * The OpenAPI document with what the routes do not say one by one: the problems each can answer with, and the headers of answers. What
 * `operation` left for this is taken out again.
 */
export function completeDocument<T extends object>(document: T): T {
  const { paths = {}, components = {} } = document as { paths?: Record<string, Record<string, Operation>>; components?: Json };
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) if (methods.has(method)) complete(path, method, operation);
  }
  components['headers'] = headers;
  const codes = Object.keys(catalogue) as Code[];
  components['examples'] = Object.fromEntries(codes.map((code) => [code, { summary: catalogue[code].title, value: example(code) }]));
  return withTidySchemas(withoutCustomResources({ ...document, components }) as T & { components: Json });
}

function complete(path: string, method: string, operation: Operation): void {
  const { responses } = operation;
  const declared = (operation['x-answer-headers'] ?? {}) as Record<string, readonly string[]>;
  for (const [status, response] of Object.entries(responses)) {
    if (Number(status) >= 400) responses[status] = asProblem(response);
    else
      responses[status] = {
        ...response,
        ...described(response),
        headers: { ...headerReferences({ 'X-Request-Id': 'XRequestId', ...limits }), ...named(declared[status] ?? []) },
      };
  }
  const codes = codesOf(path, method, operation);
  for (const [status, ofStatus] of Map.groupBy(codes, (code) => catalogue[code].status)) responses[status] = problem(status, ofStatus);
  for (const parameter of operation.parameters ?? []) if (parameter.in === 'header') parameter.name = title(parameter.name);
  delete operation['x-problems'];
  delete operation['x-answer-headers'];
}

function codesOf(path: string, method: string, operation: Operation): Code[] {
  const own = (operation['x-problems'] ?? []) as readonly Code[];
  const session = operation.security?.some((scheme) => 'session' in scheme) ?? false;
  // A parameter that cannot be is a path that is not there.
  const ofPath: readonly Code[] = path.includes('{') ? ['route-not-found'] : [];
  return [...new Set([...ofAll, ...ofPath, ...(session ? ofSessions : []), ...(method === 'get' ? [] : ofWrites), ...own])];
}

function problem(status: number, codes: readonly Code[]): Json {
  const challenge = status === 401 || status === 403 ? { 'WWW-Authenticate': 'WWWAuthenticate' as const } : {};
  const later = codes.some((code) => 'retryAfter' in catalogue[code]) || status === 429 ? { 'Retry-After': 'RetryAfter' as const } : {};
  return {
    description: codes.map((code) => `\`${code}\`: ${catalogue[code].title}. ${catalogue[code].remedy}`).join('\n\n'),
    headers: headerReferences({ 'X-Request-Id': 'XRequestId', ...challenge, ...later }),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
      },
    },
  };
}

/** The routes describe an answer where its schema does not say enough. */
function described({ description }: Json): Json {
  return description === 'Default Response' ? { description: 'Success.' } : {};
}

/** A problem that a route declares by its status alone. */
function asProblem(response: Json): Json {
  const description = String(response['description'] ?? 'Problem details (RFC 9457).');
  return {
    description,
    headers: headerReferences({ 'X-Request-Id': 'XRequestId' }),
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  };
}

function example(code: Code): Json {
  const { status, title, remedy } = catalogue[code];
  const errors = code === 'invalid' ? { errors: [{ pointer: '/displayName', message: 'must be a string' }] } : {};
  return { type: typeOf(code), title, status, detail: `${title}. ${remedy}`, instance: '0f8fad5b-d9cb-469f-a165-70867728950e', ...errors };
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
