import type { Json } from '../../audit/json.ts';
import { holdsSecret } from '../../audit/secret-forms.ts';
import { isSecretName, redacted } from '../../audit/secret-names.ts';

const maxText = 2_000;
const maxMembers = 200;
const maxDepth = 12;
const maxLength = 16 * 1024;

/**
 * Returns details that may be kept for years: possible secrets are masked and long texts are cut. Environment variables of containers
 * lose their values, which may be anything.
 */
export function redact(details: unknown): Json {
  const cut = visit(details, '', 0);
  const length = JSON.stringify(cut).length;
  return length > maxLength ? { truncated: `${length} characters of details were not kept` } : cut;
}

function visit(value: unknown, within: string, depth: number): Json {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'string') {
    if (holdsSecret(value)) return redacted;
    return value.length > maxText ? `${value.slice(0, maxText)}… (${value.length} characters)` : value;
  }
  if (typeof value !== 'object' || depth === maxDepth) return value === undefined ? null : `[${typeof value}]`;
  if (Array.isArray(value)) return value.slice(0, maxMembers).map((item) => visit(item, within, depth + 1));
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .slice(0, maxMembers)
    .map(([name, member]): [string, Json] => {
      const hidden = member !== null && typeof member !== 'boolean' && (isSecretName(name) || (within === 'env' && name === 'value'));
      return [name, hidden ? redacted : visit(member, name, depth + 1)];
    });
  return Object.fromEntries(members);
}
