import { z } from 'zod';
import { labelKey, labelValue } from '../../crds/label-syntax.ts';
import { Problem } from '../../problems/problem.ts';

const keyPattern = new RegExp(labelKey);
const valuePattern = new RegExp(labelValue);

/** Labels of a tenant. The labels of Tenantry itself cannot be set here. */
export const labels = z
  .record(z.string().regex(keyPattern, 'must be the key of a label'), z.string().regex(valuePattern, 'must be the value of a label'))
  .refine((all) => !Object.keys(all).some((key) => key.startsWith('tenantry.dev/')), 'labels with the prefix tenantry.dev/ are reserved')
  .describe('Labels of the tenant, for selectors.')
  .meta({ maxProperties: 50, examples: [{ tier: 'gold' }] });

export type Labels = Readonly<Record<string, string>>;
export type Selector = (labels: Labels) => boolean;

/** An operator, a parenthesis, a comma, or a word without spaces. */
const tokens = /==|!=|[=!(),]|[^\s=!(),]+/g;

/**
 * Reads a label selector with kubectl's syntax: `tier=gold,env!=test`, `region in (eu,us)`, `region notin (ap)`, `beta`, `!beta`.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 * @throws Problem invalid-query
 */
export function parseSelector(text: string): Selector {
  if (text.trim() === '') return () => true;
  const reader = new Reader(text);
  const requirements = [requirement(reader)];
  while (!reader.atEnd) {
    reader.take(',');
    requirements.push(requirement(reader));
  }
  return (own) => requirements.every((holds) => holds(own));
}

function requirement(reader: Reader): Selector {
  if (reader.takes('!')) {
    const key = reader.word(keyPattern);
    return (own) => !Object.hasOwn(own, key);
  }
  const key = reader.word(keyPattern);
  if (reader.takes('=') || reader.takes('==')) return oneOf(key, [reader.value()]);
  if (reader.takes('!=')) return not(oneOf(key, [reader.value()]));
  if (reader.takes('in')) return oneOf(key, values(reader));
  if (reader.takes('notin')) return not(oneOf(key, values(reader)));
  return (own) => Object.hasOwn(own, key);
}

function values(reader: Reader): string[] {
  reader.take('(');
  const all = [reader.value()];
  while (reader.takes(',')) all.push(reader.value());
  reader.take(')');
  // `in ()` would select nothing.
  if (all.join('') === '') reader.refuse();
  return all;
}

const oneOf = (key: string, allowed: readonly string[]): Selector => {
  return (own) => Object.hasOwn(own, key) && allowed.includes(own[key] ?? '');
};
const not = (selects: Selector): Selector => {
  return (own) => !selects(own);
};

/** Reads a selector token by token. It throws a Problem for a syntax error. */
class Reader {
  readonly #text: string;
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = text.match(tokens) ?? [];
  }

  get atEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  takes(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at += 1;
    return true;
  }

  take(token: string): void {
    if (!this.takes(token)) this.refuse();
  }

  word(pattern: RegExp): string {
    const word = this.#tokens[this.#at] ?? '';
    if (!pattern.test(word)) this.refuse();
    this.#at += 1;
    return word;
  }

  /** The value of a label. It may be empty. */
  value(): string {
    const next = this.#tokens[this.#at];
    return next === undefined || next === ',' || next === ')' ? '' : this.word(valuePattern);
  }

  refuse(): never {
    const rest = this.#tokens.slice(this.#at).join(' ').slice(0, 100);
    const where = this.atEnd ? 'the selector is incomplete' : `the syntax is wrong at ${JSON.stringify(rest)}`;
    const what = 'Separate requirements such as tier=gold, tier in (gold,silver), beta or !beta with commas.';
    throw new Problem('invalid-query', `labelSelector: ${where} (${JSON.stringify(this.#text.slice(0, 100))}). ${what}`);
  }
}
