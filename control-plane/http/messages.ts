import type { z } from 'zod';

type Issue = Parameters<z.core.$ZodErrorMap>[0];

/** Describes a fault as the end of a sentence that begins with the place of the value. It names the allowed values, not the check. */
export const withPlainMessages = { error: messageOf } as const;

function messageOf(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be ${kindOf(issue.expected)}${isNot(issue.input)}`;
    case 'too_small':
      return tooSmall(issue);
    case 'too_big':
      return tooBig(issue);
    case 'invalid_format':
      return formats[issue.format] ?? (issue.pattern === undefined ? `must be a valid ${issue.format}` : `must match ${issue.pattern}`);
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return `is not a known field${listOf(knownFields(issue.inst))}`;
    case 'invalid_key':
      return `is not a valid name: it ${issue.issues[0]?.message ?? 'does not fit'}`;
    case 'invalid_union':
      return 'does not have one of the allowed forms';
    default:
      return 'does not fit';
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
};
const kindOf = (expected: string): string => kinds[expected] ?? expected;

const formats: Readonly<Record<string, string>> = {
  email: 'must be an email address such as jane@example.com',
  datetime: 'must be a time of RFC 3339, such as 2026-11-21T12:00:00Z',
  uuid: 'must be a UUID',
  url: 'must be a URL',
};

function isNot(input: unknown): string {
  if (input === null) return ', not null';
  if (Array.isArray(input)) return ', not a list';
  if (typeof input === 'number' && !Number.isSafeInteger(input)) return `, not ${input}`;
  return `, not ${typeof input === 'boolean' ? String(input) : kindOf(typeof input)}`;
}

type Bounds = { readonly origin: string; readonly inclusive?: boolean };

function tooSmall({ origin, minimum, inclusive = true }: Bounds & { readonly minimum: number | bigint }): string {
  if (origin === 'number' || origin === 'int') return `must be ${inclusive ? 'at least' : 'more than'} ${minimum}`;
  return Number(minimum) === 1 ? 'must not be empty' : `must have at least ${minimum} ${partsOf(origin)}`;
}

function tooBig({ origin, maximum, inclusive = true }: Bounds & { readonly maximum: number | bigint }): string {
  if (origin === 'number' || origin === 'int') return `must be ${inclusive ? 'at most' : 'less than'} ${maximum}`;
  return `must have at most ${maximum} ${partsOf(origin)}`;
}

const partsOf = (origin: string): string => (origin === 'string' ? 'characters' : 'entries');

/** The known names of an object, or of a record with a closed set of names. */
function knownFields(schema: unknown): readonly string[] {
  const { shape = {}, keyType } = ((schema as z.core.$ZodType | undefined)?._zod.def ?? {}) as {
    readonly shape?: object;
    readonly keyType?: z.core.$ZodType;
  };
  return [...Object.keys(shape), ...[...(keyType?._zod.values ?? [])].map(String)];
}

const listOf = (names: readonly string[]): string => (names.length === 0 ? '' : `; known fields: ${names.join(', ')}`);
