import { isSecretName, redacted } from '../../audit/secret-names.ts';

/** Environment variables that the operator sets. Their names show which of them hold a secret. */
const setByOperator = /^(TENANTRY_.*|HOST|PORT|NODE_ENV|LOG_LEVEL|POD_IP|POD_NAME)$/;
const flag = /^--?([a-z][\w.-]*)(=|$)/i;

/**
 * A Kubernetes object without the parts that a bundle does not need or must not show. It redacts the values of users' environment
 * variables, texts under the name of a secret, arguments of a flag with such a name, and texts in parameters. It leaves out managed
 * fields and kubectl's copy of the object in an annotation.
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

/** Redacts the secrets in the words of a command line: `--password`, `value` or `--password=value`. */
function withoutArguments(words: readonly unknown[]): unknown[] {
  return words.map((word, index) => {
    if (typeof word !== 'string') return word;
    const before = words[index - 1];
    if (typeof before === 'string' && secretInFlag(before) === 'next' && !/^--?[a-z][\w-]*(=|$)/i.test(word)) return redacted;
    return secretInFlag(word) === 'same' ? word.slice(0, word.indexOf('=') + 1) + redacted : word;
  });
}

/** Position of a flag's secret: the `next` word, as in `--password x`, or the `same` word, as in `--password=x`. */
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

/** Redacts the texts of a tenant's parameters and keeps their shape. The template defines the parameters, so any text may be a secret. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked);
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item)]));
  return typeof value === 'string' ? redacted : value;
}
