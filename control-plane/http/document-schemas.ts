type Json = Record<string, unknown>;

/** A copy without the fields that only custom resource definitions use. Booleans of a query, which are texts there, become booleans. */
export function withoutCustomResources<T>(value: T): T {
  if (Array.isArray(value)) return value.map(withoutCustomResources) as T;
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([key]) => !key.startsWith('x-kubernetes-') && !(key === 'enum' && isBoolean(value)));
  return Object.fromEntries(entries.map(([key, part]) => [key, withoutCustomResources(part)])) as T;
}

const isBoolean = (schema: object): boolean => 'type' in schema && schema.type === 'boolean';

const prefix = '#/components/schemas/';

/**
 * Leaves out schemas without a reference. Schemas have two forms: one for requests (`TenantInput`) and one for answers (`Tenant`). A schema
 * of requests alone gets the plain name.
 */
export function withTidySchemas<T extends { readonly components: Json }>(document: T): T {
  const all = (document.components['schemas'] ?? {}) as Record<string, Json>;
  const { components: _components, ...rest } = document;
  const used = new Set<string>();
  const visit = (value: unknown): void => {
    for (const name of namesIn(value)) {
      if (used.has(name) || !(name in all)) continue;
      used.add(name);
      visit(all[name]);
    }
  };
  visit(rest);
  const newNames = new Map([...used].map((name) => [name, plainName(name, used)]));
  const schemas = Object.entries(all)
    .filter(([name]) => used.has(name))
    .map(([name, schema]) => [newNames.get(name), schema] as const);
  return renamed({ ...document, components: { ...document.components, schemas: Object.fromEntries(schemas) } }, newNames);
}

function plainName(name: string, used: ReadonlySet<string>): string {
  const plain = name.replace(/Input$/, '');
  return used.has(plain) ? name : plain;
}

function namesIn(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, part]) =>
    key === '$ref' && typeof part === 'string' ? [part.slice(prefix.length)] : namesIn(part),
  );
}

function renamed<T>(value: T, names: ReadonlyMap<string, string>): T {
  if (Array.isArray(value)) return value.map((part) => renamed(part, names)) as T;
  if (value === null || typeof value !== 'object') return value;
  const change = (key: string, part: unknown): unknown =>
    key === '$ref' && typeof part === 'string' && part.startsWith(prefix)
      ? `${prefix}${names.get(part.slice(prefix.length)) ?? part.slice(prefix.length)}`
      : renamed(part, names);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, change(key, part)])) as T;
}
