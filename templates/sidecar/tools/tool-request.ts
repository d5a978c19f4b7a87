import type { Binding, Style, Tool } from '../settings/tool.ts';

/** An HTTP request to the API. */
export interface ToolRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

/** An argument that fits its schema but cannot be put into a request; the message names it and says what is expected. */
export class UnusableArgument extends Error {
  override readonly name = 'UnusableArgument';
}

/** @throws {UnusableArgument} */
export function requestOf(tool: Tool, args: Readonly<Record<string, unknown>>): ToolRequest {
  let path = tool.path;
  const query: string[] = [];
  const headers: Record<string, string> = { accept: 'application/json, */*;q=0.5' };
  const properties: Record<string, unknown> = {};
  let whole: unknown;
  for (const binding of tool.bindings) {
    const value = args[binding.argument];
    if (value === undefined) continue;
    switch (binding.in) {
      case 'path':
        path = path.replaceAll(`{${binding.name}}`, () => pathSegment(binding.argument, value, binding.style));
        break;
      case 'query':
        query.push(...queryParts(binding.name, value, binding.style));
        break;
      case 'header':
        headers[binding.name.toLowerCase()] = headerValue(binding, value);
        break;
      case 'property':
        properties[binding.name] = value;
        break;
      case 'body':
        whole = value;
        break;
    }
  }
  if (tool.body?.open) {
    const bound = new Set(tool.bindings.map((binding) => binding.argument));
    for (const [name, value] of Object.entries(args)) if (!bound.has(name)) properties[name] = value;
  }
  const body = bodyOf(tool, whole, properties);
  if (body !== undefined && tool.body !== undefined) headers['content-type'] = tool.body.mediaType;
  return { method: tool.method, path: query.length === 0 ? path : `${path}?${query.join('&')}`, headers, body };
}

function bodyOf(tool: Tool, whole: unknown, properties: Readonly<Record<string, unknown>>): string | undefined {
  if (tool.body === undefined) return undefined;
  const given = whole ?? (Object.keys(properties).length > 0 || tool.body.required ? properties : undefined);
  if (given === undefined) return undefined;
  if (tool.body.encoding === 'text') return String(given);
  if (tool.body.encoding === 'json') return JSON.stringify(given);
  return Object.entries(given)
    .flatMap(([name, value]) => queryParts(name, value, { kind: 'form', explode: true }))
    .join('&');
}

/** A text for any value; objects and lists within lists are JSON. */
function text(value: unknown): string {
  return value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function pathSegment(argument: string, value: unknown, style: Style): string {
  const encoded =
    style.kind === 'json'
      ? encodeURIComponent(JSON.stringify(value))
      : list(value, style)
          .map((part) => encodeURIComponent(part))
          .join(',');
  // An empty or dot segment would address another resource.
  if (encoded === '' || encoded === '.' || encoded === '..') throw new UnusableArgument(`${argument} must not be empty, "." or ".."`);
  return encoded;
}

function headerValue({ argument, style }: Extract<Binding, { in: 'header' }>, value: unknown): string {
  const written = style.kind === 'json' ? JSON.stringify(value) : list(value, style).join(',');
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(written)) throw new UnusableArgument(`${argument} must be plain text without line breaks`);
  return written;
}

/** Style simple: a list's values; an object's keys and values in turn, or `key=value` when exploded. */
function list(value: unknown, style: Style): string[] {
  if (Array.isArray(value)) return value.map(text);
  if (value === null || typeof value !== 'object') return [text(value)];
  return Object.entries(value).flatMap(([key, part]) => (style.explode ? [`${key}=${text(part)}`] : [key, text(part)]));
}

function queryParts(name: string, value: unknown, style: Style): string[] {
  const part = (key: string, content: string) => `${encodeURIComponent(key)}=${encodeURIComponent(content)}`;
  if (style.kind === 'json') return [part(name, JSON.stringify(value))];
  if (Array.isArray(value)) {
    if (style.explode) return value.map((entry) => part(name, text(entry)));
    const separator = style.kind === 'spaceDelimited' ? '%20' : style.kind === 'pipeDelimited' ? '%7C' : ',';
    return [`${encodeURIComponent(name)}=${value.map((entry) => encodeURIComponent(text(entry))).join(separator)}`];
  }
  if (value === null || typeof value !== 'object') return [part(name, text(value))];
  const entries = Object.entries(value);
  if (style.kind === 'deepObject') return entries.map(([key, entry]) => part(`${name}[${key}]`, text(entry)));
  if (style.explode) return entries.map(([key, entry]) => part(key, text(entry)));
  return [part(name, entries.flatMap(([key, entry]) => [key, text(entry)]).join(','))];
}
