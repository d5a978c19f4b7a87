import { namespaceOf } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { KubeClient } from '../../kube/client.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { labelsOf } from '../objects/names.ts';

export type Values = Readonly<Record<string, string>>;

/** A Secret as the operator reads it, with decoded values. */
export interface StoredSecret {
  readonly name: string;
  readonly resourceVersion: string | undefined;
  readonly values: Values;
  readonly annotations: Values;
}

/** Wanted contents of a Secret. A value of null removes the key. Keys that are not named stay. */
export interface SecretContents {
  readonly values: Readonly<Record<string, string | null>>;
  readonly annotations?: Readonly<Record<string, string | null>>;
}

interface SecretObject extends KubeObject {
  readonly data?: Values;
}

/** The Secrets of one tenant. Each change is one request. It fails with a conflict if the Secret has changed since it was read. */
export class SecretStore {
  readonly #client: KubeClient;
  readonly #tenant: Tenant;
  readonly #signal: AbortSignal;
  readonly #read = new Set<string>();

  constructor(client: KubeClient, tenant: Tenant, signal: AbortSignal) {
    this.#client = client;
    this.#tenant = tenant;
    this.#signal = signal;
  }

  async read(name: string): Promise<StoredSecret | undefined> {
    const found = await this.#client.find<SecretObject>(kinds.Secret, name, { namespace: this.#namespace, signal: this.#signal });
    if (found) this.#read.add(name);
    return found && storedOf(found);
  }

  /** Whether the Secrets still have these versions, by name. The values are not read. */
  async areStill(versions: Values): Promise<boolean> {
    const options = { namespace: this.#namespace, metadataOnly: true, signal: this.#signal };
    const found = await Promise.all(
      Object.entries(versions).map(async ([name, version]) => {
        const { metadata } = (await this.#client.find<KubeObject>(kinds.Secret, name, options)) ?? {};
        return metadata?.resourceVersion === version;
      }),
    );
    return found.every((same) => same);
  }

  /** Names of the Secrets that this store has read. */
  get wereRead(): string[] {
    return [...this.#read];
  }

  /** Writes `wanted` if `found` differs from it. Creates the Secret if it is missing. */
  async settle(name: string, found: StoredSecret | undefined, wanted: SecretContents): Promise<StoredSecret> {
    if (!found) return this.#create(name, wanted);
    const values = differences(found.values, wanted.values);
    const annotations = differences(found.annotations, wanted.annotations ?? {});
    if (Object.keys(values).length === 0 && Object.keys(annotations).length === 0) return found;
    const encoded = Object.entries(values).map(([key, value]) => [key, value && Buffer.from(value, 'utf8').toString('base64')]);
    const patch = { metadata: { resourceVersion: found.resourceVersion, annotations }, data: Object.fromEntries(encoded) as object };
    return storedOf(
      await this.#client.patch<SecretObject>(kinds.Secret, name, patch, { namespace: this.#namespace, signal: this.#signal }),
    );
  }

  async #create(name: string, { values, annotations = {} }: SecretContents): Promise<StoredSecret> {
    const object = {
      metadata: { name, namespace: this.#namespace, labels: labelsOf(this.#tenant), annotations: present(annotations) },
      type: 'Opaque',
      stringData: present(values),
    };
    return storedOf(await this.#client.create<SecretObject>(kinds.Secret, object, { signal: this.#signal }));
  }

  get #namespace(): string {
    return namespaceOf(this.#tenant.metadata.name);
  }
}

function storedOf({ metadata, data = {} }: SecretObject): StoredSecret {
  const values = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')] as const);
  return {
    name: metadata.name,
    resourceVersion: metadata.resourceVersion,
    values: Object.fromEntries(values),
    annotations: metadata.annotations ?? {},
  };
}

function differences(found: Values, wanted: SecretContents['values']): SecretContents['values'] {
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => (found[key] ?? null) !== value));
}

function present(contents: SecretContents['values']): Values {
  return Object.fromEntries(Object.entries(contents).filter((entry): entry is [string, string] => entry[1] !== null));
}
