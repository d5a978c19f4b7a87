import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import type { KubeObject } from '../../kube/resources.ts';
import { kinds } from '../../kube/resources.ts';
import type { Log } from '../machine/process.ts';
import type { DataKind, ObjectData } from './environment.ts';

interface DataObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
}

/** Called when a Secret or ConfigMap was created, changed or deleted. */
export type ReferenceListener = (kind: DataKind, namespace: string, name: string) => void;

/**
 * Secrets and ConfigMaps that pods refer to. Only their metadata is watched, so that no Secret stays in memory. Contents are read when a
 * container starts or when an object has changed.
 */
export class References {
  readonly #client: KubeClient;
  readonly #log: Log;
  readonly #listener: ReferenceListener;

  constructor(options: { client: KubeClient; log: Log; listener: ReferenceListener }) {
    this.#client = options.client;
    this.#log = options.log;
    this.#listener = options.listener;
  }

  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(
      (['Secret', 'ConfigMap'] as const).map((kind) => {
        const reflector = new Reflector({
          client: this.#client,
          resource: kinds[kind],
          metadataOnly: true,
          onChange: (_key, current, previous) => {
            const { name, namespace = '' } = (current ?? previous)?.metadata ?? { name: '' };
            this.#listener(kind, namespace, name);
          },
          onError: (error) => this.#log.debug({ err: error, kind }, 'watch failed, trying again'),
        });
        return reflector.start(signal);
      }),
    );
  }

  /** Undefined when the object does not exist. @throws KubeError */
  async read(kind: DataKind, namespace: string, name: string, signal: AbortSignal): Promise<ObjectData | undefined> {
    const object = await this.#client.find<DataObject>(kinds[kind], name, { namespace, signal });
    if (object === undefined) return undefined;
    const encoding = kind === 'Secret' ? 'base64' : 'utf8';
    return new Map([
      ...Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)] as const),
      ...Object.entries(object.binaryData ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
    ]);
  }
}
