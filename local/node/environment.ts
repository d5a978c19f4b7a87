import type { Container } from './pod.ts';

/** Data of a Secret. */
export type SecretData = ReadonlyMap<string, Buffer>;

/** Reads a Secret of the pod's namespace. Undefined when it does not exist. */
export type ReadSecret = (name: string) => Promise<SecretData | undefined>;

/** A Secret that a pod refers to, or one of its keys, does not exist yet. Like Kubernetes, the agent waits for it. */
export class MissingSecretError extends Error {
  override readonly name = 'MissingSecretError';

  constructor(secret: string, key?: string) {
    super(key === undefined ? `secret "${secret}" not found` : `couldn't find key ${key} in secret "${secret}"`);
  }
}

/**
 * Returns the environment of a container in the pod's order, with `$(VAR)` expanded: https://kubernetes.io/docs/tasks/inject-data-application/
 * @throws MissingSecretError
 */
export async function environmentOf(container: Container, podIp: string, read: ReadSecret): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const { name, value = '', valueFrom } of container.env ?? []) {
    if (valueFrom === undefined) env[name] = expand(value, env);
    else if (valueFrom.secretKeyRef === undefined) env[name] = podIp;
    else {
      const { name: secret, key } = valueFrom.secretKeyRef;
      const data = await read(secret);
      const found = data?.get(key);
      if (found === undefined) throw new MissingSecretError(secret, data && key);
      env[name] = found.toString('utf8');
    }
  }
  return env;
}

/** Replaces `$(NAME)` by the variable's value and `$$` by `$`. An unknown name stays unchanged. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) => {
    if (name === undefined) return '$';
    return Object.hasOwn(env, name) ? (env[name] ?? whole) : whole;
  });
}
