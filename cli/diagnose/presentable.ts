import { secretInFlag } from './secret-flags.ts';

/** Variables whose values the operator sets and that hold no secret by themselves. */
const harmless = /^(TENANTRY_(?!.*(TOKEN|SECRET|KEY|PASSWORD)).*|HOST|PORT|NODE_ENV|LOG_LEVEL|POD_IP|POD_NAME)$/;
const secretName = /pass(word|wd|phrase)?|secret|token|api[-_]?key|private[-_]?key|credential|authorization|connection[-_]?string|dsn/i;
const mark = '[redacted]';

/**
 * An object of Kubernetes without what a bundle has no use for or must not show: values of environment variables that users set, texts
 * under a name that speaks of a secret, arguments that a flag of such a name gives, the copy of the object that kubectl keeps in an annotation, and managed fields.
 */
export function presentable(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return name === 'env' ? value.map(variable) : withoutArguments(value.map((item) => presentable(item, name)));
  if (value === null || typeof value !== 'object')
    return typeof value === 'string' && secretName.test(name) && !isReference(name) ? mark : value;
  const shown: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (key === 'managedFields' || key === 'kubectl.kubernetes.io/last-applied-configuration') continue;
    if (key === 'parameters' && name === 'spec') shown.push([key, masked(item)]);
    else shown.push([key, presentable(item, key)]);
  }
  return Object.fromEntries(shown);
}

/** Fields that name a Secret or a token's file, rather than hold one. */
function isReference(name: string): boolean {
  return /(Name|Ref|Policy|Path|Seconds|Type)$/.test(name);
}

/** Words of a command line without the secrets among them: `--password`, `value` or `--password=value`. */
function withoutArguments(words: readonly unknown[]): unknown[] {
  return words.map((word, index) => {
    if (typeof word !== 'string') return word;
    const before = words[index - 1];
    if (typeof before === 'string' && secretInFlag(before) === 'next' && !/^--?[a-z][\w-]*(=|$)/i.test(word)) return mark;
    return secretInFlag(word) === 'same' ? word.slice(0, word.indexOf('=') + 1) + mark : word;
  });
}

function variable(entry: unknown): unknown {
  if (entry === null || typeof entry !== 'object' || !('value' in entry)) return entry;
  const { name } = entry as { name?: unknown };
  return typeof name === 'string' && harmless.test(name) ? entry : { ...entry, value: mark };
}

/** A tenant's parameters are of the template's making: their shape is shown, their texts are not. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item)]));
  return typeof value === 'string' ? mark : value;
}
