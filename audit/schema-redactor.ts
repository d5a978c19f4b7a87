import { isObject } from '../json/object.ts';
import { atReference } from '../json/pointer.ts';
import type { Json } from './json.ts';
import { beginsAsSecret } from './secret-forms.ts';
import { isSecretName, redacted, words } from './secret-names.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Values a record holds, at most, nested ones included; with names and texts bounded, a record stays below 64 KiB. */
const maxValues = 200;
/** Deeper values are not kept: the control plane takes records of so many levels and no more, and one that it refuses would be lost. */
const maxLevels = 12;
const maxKeptText = 64;
const maxUndeclaredName = 32;

const identifierWords = new Set(['id', 'ids', 'uid', 'uids', 'uuid', 'uuids', 'guid', 'guids']);
const identifier = new RegExp(`^[\\w.:-]{1,${maxKeptText}}$`);
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const date = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

export interface RedactionOptions {
  /** Members of the value itself that name what is addressed, such as arguments in the path of a request. */
  readonly identifiers?: ReadonlySet<string>;
}

/**
 * Values that a JSON Schema describes, as the audit keeps them for years and shows to people who may not read the tenant's data: enough to
 * see what was done to which item, and nothing that a person wrote.
 *
 * - Kept: numbers, booleans, null, values that the schema lists (`enum`, `const`), dates, UUIDs, and identifiers: texts of at most 64
 *   characters that look like an identifier and are named `…id` or listed in `identifiers`.
 * - Every other text becomes its length, `[123 characters]`. A person wrote it, and a secret may stand in it by mistake.
 * - `[redacted]`: values that the schema marks (`writeOnly`, `format: password` or `x-sensitive: true`), values whose name speaks of a
 *   secret (booleans excepted), values that look like a key, and values that no schema declares.
 *
 * Values are judged by their content as well as by their schema, because faulty values are recorded too.
 */
export class SchemaRedactor {
  readonly #plan: ValuePlan;

  constructor(schema: Schema, { identifiers = new Set() }: RedactionOptions = {}) {
    this.#plan = new ValuePlan([schema], '', { root: schema, identifiers });
  }

  redact(value: unknown): Json {
    return new Redaction().of(value, this.#plan);
  }
}

interface Surroundings {
  /** The whole schema, which references point into. */
  readonly root: Schema;
  readonly identifiers: ReadonlySet<string>;
}

/** The rules for the values at one place of the arguments. Rules of nested places are computed when they first occur. */
class ValuePlan {
  readonly secretBySchema: boolean;
  readonly secretByName: boolean;
  readonly isIdentifier: boolean;
  readonly listed: ReadonlySet<unknown>;
  readonly #schemas: readonly Schema[];
  readonly #name: string;
  readonly #surroundings: Surroundings;
  readonly #properties = new Map<string, ValuePlan | undefined>();
  #items: ValuePlan | undefined;

  constructor(schemas: readonly unknown[], name: string, surroundings: Surroundings) {
    this.#schemas = applicable(schemas, surroundings.root);
    this.#name = name;
    this.#surroundings = surroundings;
    this.secretBySchema = this.#schemas.some(
      (schema) => schema['writeOnly'] === true || schema['format'] === 'password' || schema['x-sensitive'] === true,
    );
    this.secretByName = isSecretName(name);
    this.isIdentifier = surroundings.identifiers.has(name) || identifierWords.has(words(name).at(-1) ?? '');
    this.listed = new Set(this.#schemas.flatMap((schema) => [...(Array.isArray(schema['enum']) ? schema['enum'] : []), schema['const']]));
  }

  /** Undefined for a property that no schema declares. */
  property(name: string): ValuePlan | undefined {
    if (this.#properties.has(name)) return this.#properties.get(name);
    const declared = this.#schemas.flatMap(({ properties }) =>
      isObject(properties) && Object.hasOwn(properties, name) ? [properties[name]] : [],
    );
    if (declared.length === 0) return undefined;
    // Only members of the value itself are identifiers, not members of the same name further down.
    const identifiers = this.#name === '' ? this.#surroundings.identifiers : new Set<string>();
    const plan = new ValuePlan(declared, name, { ...this.#surroundings, identifiers });
    this.#properties.set(name, plan);
    return plan;
  }

  /** Entries of a list bear the list's name: `tokens` holds a token each. */
  get items(): ValuePlan {
    this.#items ??= new ValuePlan(
      this.#schemas.flatMap(({ items, prefixItems }) => [items, ...(Array.isArray(prefixItems) ? prefixItems : [])]),
      this.#name,
      this.#surroundings,
    );
    return this.#items;
  }
}

/** One walk through the arguments of a call. */
class Redaction {
  #left = maxValues;

  of(value: unknown, plan: ValuePlan, level = 0): Json {
    if (level > maxLevels) return redacted;
    if (plan.secretBySchema || (plan.secretByName && typeof value !== 'boolean')) return redacted;
    if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
    if (typeof value === 'string') return textOf(value, plan);
    if (Array.isArray(value)) return this.#list(value, plan.items, level + 1);
    if (isObject(value)) return this.#object(value, plan, level + 1);
    return redacted;
  }

  #list(values: readonly unknown[], plan: ValuePlan, level: number): Json {
    const kept: Json[] = [];
    for (const [index, value] of values.entries()) {
      if (--this.#left < 0) return [...kept, `[${values.length - index} more]`];
      kept.push(this.of(value, plan, level));
    }
    return kept;
  }

  #object(value: Schema, plan: ValuePlan, level: number): Json {
    const kept: [string, Json][] = [];
    const names = Object.keys(value);
    for (const [index, name] of names.entries()) {
      if (--this.#left < 0) {
        kept.push([`[${names.length - index} more]`, redacted]);
        break;
      }
      const declared = plan.property(name);
      kept.push(declared === undefined ? [undeclaredName(name), redacted] : [name, this.of(value[name], declared, level)]);
    }
    return Object.fromEntries(kept);
  }
}

/** A name that nobody declared may itself be data: the key of a map, such as an address. Only what looks like a name is kept. */
function undeclaredName(name: string): string {
  return name.length <= maxUndeclaredName && /^[A-Za-z]\w*$/.test(name) && !beginsAsSecret(name) ? name : '[undeclared]';
}

function textOf(value: string, plan: ValuePlan): Json {
  if (plan.listed.has(value)) return value;
  // A key or token may stand where an identifier is expected.
  if (beginsAsSecret(value)) return redacted;
  if (date.test(value) || uuid.test(value) || (plan.isIdentifier && identifier.test(value))) return value;
  return `[${value.length} characters]`;
}

/** The schemas and all parts of combined schemas. The statement of any of them may apply to the value. */
function applicable(schemas: readonly unknown[], root: Schema): Schema[] {
  const found = new Set<Schema>();
  const visit = (schema: unknown) => {
    if (!isObject(schema) || found.has(schema)) return;
    found.add(schema);
    for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) if (Array.isArray(schema[keyword])) schema[keyword].forEach(visit);
    for (const keyword of ['if', 'then', 'else'] as const) visit(schema[keyword]);
    if (isObject(schema['dependentSchemas'])) Object.values(schema['dependentSchemas']).forEach(visit);
    const reference = schema['$ref'];
    if (typeof reference === 'string') visit(atReference(root, reference));
  };
  schemas.forEach(visit);
  return [...found];
}
