import { isSecretName, redacted } from '../../audit/secret-names.ts';

/** Variables that the operator sets. Those among them that hold a secret are known by their names. */
const setByOperator = /^(TENANTRY_.*|HOST|PORT|NODE_ENV|LOG_LEVEL|POD_IP|POD_NAME)$/;
const flag = /^--?([a-z][\w.-]*)(=|$)/i;

/**
 * An object of Kubernetes without what a bundle has no use for or must not show: values of environment variables that users set, texts
 * under a name that speaks of a secret, arguments that a flag of such a name gives, the copy of the object that kubectl keeps in an annotation, and managed fields.
 */
export function presentable(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return name === 'env' ? value.map(variable) : withoutArguments(value.map((item) => presentable(item, name)));
  if (value === null || typeof value !== 'object') return typeof value === 'string' && isSecretName(name) ? redacted : value;
  const shown: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (key === 'managedFields' || key === 'kubectl.kubernetes.io/last-applied-configuration') continue;
    if (key === 'parameters' && name === 'spec') shown.push([key, masked(item)]);
    else shown.push([key, presentable(item, key)]);
  }
  return Object.fromEntries(shown);
}

/** Words of a command line without the secrets among them: `--password`, `value` or `--password=value`. */
function withoutArguments(words: readonly unknown[]): unknown[] {
  return words.map((word, index) => {
    if (typeof word !== 'string') return word;
    const before = words[index - 1];
    if (typeof before === 'string' && secretInFlag(before) === 'next' && !/^--?[a-z][\w-]*(=|$)/i.test(word)) return redacted;
    return secretInFlag(word) === 'same' ? word.slice(0, word.indexOf('=') + 1) + redacted : word;
  });
}

/** Where a word of a command line gives a secret: in the `next` word, as after `--password`, or in the `same`, as in `--password=x`. */
function secretInFlag(word: string): 'next' | 'same' | undefined {
  const [, name = '', separator] = flag.exec(word) ?? [];
  if (!isSecretName(name)) return undefined;
  return separator === '=' ? 'same' : 'next';
}

function variable(entry: unknown): unknown {
  if (entry === null || typeof entry !== 'object' || !('value' in entry)) return entry;
  const { name } = entry as { name?: unknown };
  return typeof name === 'string' && setByOperator.test(name) && !isSecretName(name) ? entry : { ...entry, value: redacted };
}

/** A tenant's parameters are of the template's making: their shape is shown, their texts are not. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item)]));
  return typeof value === 'string' ? redacted : value;
}
