import { isObject } from '../../../json/object.ts';
import type { Tool } from '../settings/tool.ts';
import type { ApiOperation } from './disabled-operations.ts';
import { dereference, tagsOf, toolOf } from './operation-tool.ts';
import { SchemaResolver } from './schema-resolver.ts';

const methods = ['get', 'head', 'post', 'put', 'patch', 'delete'] as const;

/** Claude and others refuse longer names. */
const maxNameLength = 64;

export interface ApiTools {
  readonly version: string;
  /** The purpose of the API, for LLMs. */
  readonly instructions: string | undefined;
  readonly tools: readonly Tool[];
  /** All operations, whether they can be tools or not. */
  readonly operations: readonly ApiOperation[];
  /** Operations that cannot be tools, with the reason. */
  readonly skipped: readonly { readonly operation: string; readonly reason: string }[];
}

/** Its message says what is wrong with the document, as the rest of a sentence that begins with it: `is Swagger 2.0`. */
export class UnusableDocument extends Error {
  override readonly name = 'UnusableDocument';
}

export interface ApiDocumentOptions {
  /** URL the document was read from; relative server URLs start there. */
  readonly url: URL;
  /** Header names, lower-case, that callers must not set. */
  readonly reservedHeaders: readonly string[];
}

/**
 * The tools of an OpenAPI 3.x document, one an operation.
 * @throws {UnusableDocument} when it is not such a document.
 */
export function apiTools(document: unknown, options: ApiDocumentOptions): ApiTools {
  if (!isObject(document)) throw new UnusableDocument('is neither a JSON nor a YAML object, so it is not an OpenAPI 3.x document');
  if (document['swagger'] !== undefined) throw new UnusableDocument('is Swagger 2.0, but OpenAPI 3.x is needed');
  if (typeof document['openapi'] !== 'string' || !/^3\./.test(document['openapi'])) {
    throw new UnusableDocument('is not an OpenAPI 3.x document (it has no "openapi": "3...")');
  }
  if (!isObject(document['paths'])) throw new UnusableDocument('has no "paths"');
  const info = isObject(document['info']) ? document['info'] : {};
  const resolver = new SchemaResolver(document);
  const base = basePath(document['servers'], options.url);
  const names = new Set<string>();
  const tools: Tool[] = [];
  const operations: ApiOperation[] = [];
  const skipped: { operation: string; reason: string }[] = [];
  for (const [path, given] of Object.entries(document['paths'])) {
    const item = dereference(document, given);
    if (item === undefined) {
      if (path.startsWith('/')) skipped.push({ operation: path, reason: 'the path is not an object, or its $ref leads nowhere' });
      continue;
    }
    for (const method of methods) {
      const operation = item[method];
      if (!isObject(operation)) continue;
      operations.push({ method: method.toUpperCase(), path: base + path, tags: tagsOf(operation) });
      const shared = Array.isArray(item['parameters']) ? item['parameters'] : [];
      const name = freeName(names, operation['operationId'], method, path);
      try {
        tools.push(toolOf({ document, resolver, name, method, path: base + path, operation, shared, reserved: options.reservedHeaders }));
        names.add(name);
      } catch (error) {
        // An operation that cannot be used must not stop the others from being offered.
        skipped.push({ operation: `${method.toUpperCase()} ${path}`, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  }
  return {
    version: typeof info['version'] === 'string' ? info['version'] : '0',
    instructions: typeof info['description'] === 'string' ? info['description'] : undefined,
    tools,
    operations,
    skipped,
  };
}

/** Path of the first server. Its host is not used: the API that is called is the one in this pod. */
function basePath(servers: unknown, documentUrl: URL): string {
  const server = Array.isArray(servers) && isObject(servers[0]) ? servers[0] : undefined;
  if (server === undefined || typeof server['url'] !== 'string') return '';
  const variables = isObject(server['variables']) ? server['variables'] : {};
  const url = server['url'].replaceAll(/\{([^}]+)\}/g, (_match, name: string) => {
    const variable = variables[name];
    return isObject(variable) ? String(variable['default'] ?? '') : '';
  });
  return URL.canParse(url, documentUrl.href) ? new URL(url, documentUrl).pathname.replace(/\/+$/, '') : '';
}

function freeName(taken: ReadonlySet<string>, operationId: unknown, method: string, path: string): string {
  const wanted = typeof operationId === 'string' && operationId !== '' ? operationId : `${method}${path.replaceAll(/[{}]/g, '')}`;
  const name = wanted.replaceAll(/[^\w-]+/g, '_').slice(0, maxNameLength);
  for (let attempt = 1; ; attempt++) {
    const suffix = attempt === 1 ? '' : `_${attempt}`;
    const candidate = name.slice(0, maxNameLength - suffix.length) + suffix;
    if (!taken.has(candidate)) return candidate;
  }
}
