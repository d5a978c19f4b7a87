import { z } from 'zod';
import { Problem } from '../http/problem.ts';

/** Syntax of the keys and values of labels: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const keyPattern = /^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const valuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const labelKey = z.string().regex(keyPattern, 'must be the key of a label');
const labelValue = z.string().regex(valuePattern, 'must be the value of a label');

/** Labels a tenant carries; those of Tenantry itself are not for people to set. */
export const labels = z
  .record(labelKey, labelValue)
  .refine((all) => !Object.keys(all).some((key) => key.startsWith('tenantry.dev/')), 'labels of tenantry.dev/ are its own')
  .describe('Labels of the tenant, to select it by.')
  .meta({ maxProperties: 50, examples: [{ tier: 'gold' }] });

export type Labels = Readonly<Record<string, string>>;
export type Selector = (labels: Labels) => boolean;

/**
 * A label selector as kubectl takes it: `tier=gold,env!=test`, `region in (eu,us)`, `region notin (ap)`, `beta`, `!beta`.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 * @throws Problem invalid-query
 */
export function parseSelector(text: string): Selector {
  const requirements = split(text).map(requirement);
  return (own) => requirements.every((holds) => holds(own));
}

/** The parts between commas that stand outside parentheses. */
function split(text: string): string[] {
  return (text.match(/(?:\([^()]*\)|[^,()])+/g) ?? []).map((part) => part.trim());
}

function requirement(text: string): Selector {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => checked(value.trim(), valuePattern, text));
    checked(key, keyPattern, text);
    return operator === 'in' ? (own) => own[key] !== undefined && values.includes(own[key]) : (own) => !values.includes(own[key] ?? '\0');
  }
  const equality = /^([^!=\s]+)\s*(==|=|!=)\s*([^!=\s]*)$/.exec(text);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    checked(key, keyPattern, text);
    checked(value, valuePattern, text);
    return operator === '!=' ? (own) => own[key] !== value : (own) => own[key] === value;
  }
  if (text.startsWith('!')) {
    const key = checked(text.slice(1).trim(), keyPattern, text);
    return (own) => own[key] === undefined;
  }
  const key = checked(text, keyPattern, text);
  return (own) => own[key] !== undefined;
}

function checked(part: string, pattern: RegExp, requirement: string): string {
  if (pattern.test(part)) return part;
  const shown = JSON.stringify(requirement.slice(0, 100));
  throw new Problem('invalid-query', `labelSelector: ${shown} is no requirement such as tier=gold, tier in (gold,silver), beta or !beta.`);
}
