import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { AtomicFolder, makeFolder, type Owner } from './atomic-folder.ts';
import { MissingSecretError, type ReadSecret } from './environment.ts';
import { containersOf, type Pod, type Volume } from './pod.ts';

/** A ServiceAccount token from the TokenRequest API, bound to the pod. Times in milliseconds since the epoch. */
export interface Token {
  readonly token: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Sources of the volumes' contents. */
export interface VolumeSources {
  readonly read: ReadSecret;
  readonly requestToken: (audience: string | undefined, expirationSeconds: number) => Promise<Token>;
  readonly now: () => number;
}

/** Fraction of a token's lifetime after which it is replaced: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/ */
const refreshShare = 0.8;
const dayMs = 24 * 3600 * 1000;

/** The volumes of one pod as folders of this machine. */
export class PodVolumes {
  readonly #mounted: readonly Volume[];
  readonly #folder: string;
  readonly #owner: Owner;
  readonly #sources: VolumeSources;
  readonly #folders = new Map<string, AtomicFolder>();
  readonly #tokens = new Map<string, Token>();

  constructor(options: { pod: Pod; folder: string; owner: Owner; sources: VolumeSources }) {
    const { pod } = options;
    const names = new Set(containersOf(pod).flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name)));
    this.#mounted = (pod.spec.volumes ?? []).filter(({ name }) => names.has(name));
    this.#folder = options.folder;
    this.#owner = options.owner;
    this.#sources = options.sources;
  }

  /** Creates every volume that a container mounts. @throws MissingSecretError, KubeError */
  async prepare(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
    for (const volume of this.#mounted) {
      if (volume.emptyDir === undefined) await this.#write(volume);
      else makeFolder(join(this.#folder, volume.name), this.#owner);
    }
  }

  /** Rewrites the volumes that show this Secret. The files of a deleted Secret stay, as on a real node. */
  async refresh(secretName: string): Promise<void> {
    for (const volume of this.#mounted) if (volume.secret?.secretName === secretName) await this.#write(volume);
  }

  /** Replaces the tokens that are due for renewal. */
  async refreshTokens(): Promise<void> {
    for (const volume of this.#mounted) {
      const tokens = (volume.projected?.sources ?? []).map(({ serviceAccountToken: { path } }) => this.#tokens.get(keyOf(volume, path)));
      if (tokens.some((token) => this.#isDue(token))) await this.#write(volume);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #write(volume: Volume): Promise<void> {
    const files = volume.secret === undefined ? await this.#tokenFiles(volume) : await this.#secretFiles(volume.secret);
    let folder = this.#folders.get(volume.name);
    if (folder === undefined) {
      folder = new AtomicFolder(join(this.#folder, volume.name), this.#owner);
      this.#folders.set(volume.name, folder);
    }
    folder.write(files);
  }

  async #secretFiles({ secretName, items }: NonNullable<Volume['secret']>): Promise<Map<string, Buffer>> {
    const data = await this.#sources.read(secretName);
    if (data === undefined) throw new MissingSecretError(secretName);
    if (items === undefined) return new Map(data);
    return new Map(
      items.map(({ key, path }) => {
        const content = data.get(key);
        if (content === undefined) throw new MissingSecretError(secretName, key);
        return [path, content];
      }),
    );
  }

  async #tokenFiles(volume: Volume): Promise<Map<string, Buffer>> {
    const files = new Map<string, Buffer>();
    for (const { serviceAccountToken } of volume.projected?.sources ?? []) {
      const { path, audience, expirationSeconds = 3600 } = serviceAccountToken;
      const key = keyOf(volume, path);
      let token = this.#tokens.get(key);
      if (token === undefined || this.#isDue(token)) {
        token = await this.#sources.requestToken(audience, expirationSeconds);
        this.#tokens.set(key, token);
      }
      files.set(path, Buffer.from(token.token));
    }
    return files;
  }

  #isDue(token: Token | undefined): boolean {
    if (token === undefined) return true;
    const age = this.#sources.now() - token.issuedAt;
    return age > dayMs || age > refreshShare * (token.expiresAt - token.issuedAt);
  }
}

function keyOf({ name }: Volume, path: string): string {
  return `${name}/${path}`;
}
