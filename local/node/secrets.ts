import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import type { Log } from '../machine/process.ts';
import type { SecretData } from './environment.ts';

/**
 * Secrets that pods refer to. Only their metadata is watched, so that no Secret stays in memory. Contents are read when a container starts
 * or when a Secret has changed.
 */
export class Secrets {
  readonly #client: KubeClient;
  readonly #reflector: Reflector<KubeObject>;

  /** `onChange` is called when a Secret was created, changed or deleted. */
  constructor(options: { client: KubeClient; log: Log; onChange: (namespace: string, name: string) => void }) {
    const { client, log, onChange } = options;
    this.#client = client;
    this.#reflector = new Reflector({
      client,
      resource: kinds.Secret,
      metadataOnly: true,
      onChange: (_key, current, previous) => {
        const { name, namespace = '' } = (current ?? previous)?.metadata ?? { name: '' };
        onChange(namespace, name);
      },
      onError: (error) => log.debug({ err: error }, 'watch of Secrets failed, trying again'),
    });
  }

  start(signal: AbortSignal): Promise<void> {
    return this.#reflector.start(signal);
  }

  /** Undefined when the Secret does not exist. @throws KubeError */
  async read(namespace: string, name: string, signal: AbortSignal): Promise<SecretData | undefined> {
    type Secret = KubeObject & { readonly data?: Readonly<Record<string, string>> };
    const secret = await this.#client.find<Secret>(kinds.Secret, name, { namespace, signal });
    if (secret === undefined) return undefined;
    return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
  }
}
