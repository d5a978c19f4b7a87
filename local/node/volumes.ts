import { mkdirSync, rmSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { AtomicFolder, type FileContent, makeFolder, type Owner } from './atomic-folder.ts';
import { type DataKind, fieldOf, missing, type PodFacts, type ReadData, resourceOf } from './environment.ts';
import type { Pod, Volume, VolumeSource } from './pod.ts';

/** A ServiceAccount token from the TokenRequest API, bound to the pod. Times in milliseconds since the epoch. */
export interface Token {
  readonly token: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export type RequestToken = (audience: string | undefined, expirationSeconds: number) => Promise<Token>;

/** Sources of the volumes' contents. */
export interface VolumeSources {
  readonly read: ReadData;
  readonly requestToken: RequestToken;
  readonly now: () => number;
}

/** Fraction of a token's lifetime after which it is replaced: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/ */
const refreshShare = 0.8;
const dayMs = 24 * 3600 * 1000;

/** The volumes of one pod as folders of this machine. */
export class PodVolumes {
  readonly #pod: Pod;
  readonly #facts: PodFacts;
  readonly #folder: string;
  readonly #owner: Owner;
  readonly #sources: VolumeSources;
  readonly #folders = new Map<string, AtomicFolder>();
  readonly #tokens = new Map<string, Token>();

  constructor(options: { facts: PodFacts; folder: string; owner: Owner; sources: VolumeSources }) {
    this.#pod = options.facts.pod;
    this.#facts = options.facts;
    this.#folder = options.folder;
    this.#owner = options.owner;
    this.#sources = options.sources;
  }

  /** Folder of a volume. It stays the same for the life of the pod. */
  folderOf(volume: string): string {
    return join(this.#folder, volume);
  }

  /** Creates every volume that a container mounts. @throws MissingReferenceError, or Error for an unsupported kind of volume. */
  async prepare(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o711 });
    for (const volume of this.#mounted()) {
      if (volume.emptyDir !== undefined) {
        makeFolder(this.folderOf(volume.name), this.#owner);
        for (const subPath of this.#subPaths(volume.name)) makeFolder(join(this.folderOf(volume.name), subPath), this.#owner);
      } else await this.#write(volume);
    }
  }

  /** Rewrites the volumes that show this object. The files of a deleted object stay, as on a real node. */
  async refresh(kind: DataKind, name: string): Promise<void> {
    for (const volume of this.#mounted()) {
      if (sourcesOf(volume).some((source) => referenceOf(source, kind) === name)) await this.#write(volume);
    }
  }

  /** Replaces the tokens that are due for renewal. */
  async refreshTokens(): Promise<void> {
    for (const volume of this.#mounted()) {
      const due = sourcesOf(volume).some(
        (source) => source.serviceAccountToken && this.#isDue(volume.name, source.serviceAccountToken.path),
      );
      if (due) await this.#write(volume);
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #mounted(): Volume[] {
    const { containers, initContainers = [], volumes = [] } = this.#pod.spec;
    const names = new Set([...initContainers, ...containers].flatMap((container) => (container.volumeMounts ?? []).map((m) => m.name)));
    return volumes.filter((volume) => names.has(volume.name));
  }

  #subPaths(volume: string): string[] {
    const { containers, initContainers = [] } = this.#pod.spec;
    return [...initContainers, ...containers]
      .flatMap((container) => container.volumeMounts ?? [])
      .flatMap((mount) => (mount.name === volume && mount.subPath !== undefined ? [normalize(mount.subPath)] : []));
  }

  async #write(volume: Volume): Promise<void> {
    const mode =
      volume.secret?.defaultMode ?? volume.configMap?.defaultMode ?? volume.projected?.defaultMode ?? volume.downwardAPI?.defaultMode;
    const files = new Map<string, FileContent>();
    for (const source of sourcesOf(volume)) await this.#collect(volume.name, source, mode ?? 0o644, files);
    let folder = this.#folders.get(volume.name);
    if (folder === undefined) {
      folder = new AtomicFolder(this.folderOf(volume.name), this.#owner);
      this.#folders.set(volume.name, folder);
    }
    folder.write(files);
  }

  async #collect(volume: string, source: VolumeSource, mode: number, files: Map<string, FileContent>): Promise<void> {
    for (const [kind, ref] of [
      ['Secret', source.secret],
      ['ConfigMap', source.configMap],
    ] as const) {
      if (ref === undefined) continue;
      const name = ref.name ?? '';
      const data = await this.#sources.read(kind, name);
      if (data === undefined) {
        if (ref.optional) continue;
        throw missing(kind, name);
      }
      for (const item of ref.items ?? [...data.keys()].map((key) => ({ key, path: key, mode: undefined }))) {
        const content = data.get(item.key);
        if (content !== undefined) files.set(normalize(item.path), { content, mode: item.mode ?? mode });
        else if (!ref.optional) throw missing(kind, name, item.key);
      }
    }
    for (const item of source.downwardAPI?.items ?? []) {
      const container = this.#pod.spec.containers[0];
      let text = '';
      if (item.fieldRef) text = fieldOf(this.#facts, item.fieldRef.fieldPath);
      else if (item.resourceFieldRef && container) text = resourceOf(this.#facts, container, item.resourceFieldRef);
      files.set(normalize(item.path), { content: Buffer.from(text), mode: item.mode ?? mode });
    }
    const { serviceAccountToken } = source;
    if (serviceAccountToken !== undefined) {
      const { path, audience, expirationSeconds = 3600 } = serviceAccountToken;
      const key = `${volume}/${path}`;
      let token = this.#tokens.get(key);
      if (token === undefined || this.#isDue(volume, path)) {
        token = await this.#sources.requestToken(audience, expirationSeconds);
        this.#tokens.set(key, token);
      }
      files.set(normalize(path), { content: Buffer.from(token.token), mode: 0o600 });
    }
  }

  #isDue(volume: string, path: string): boolean {
    const token = this.#tokens.get(`${volume}/${path}`);
    if (token === undefined) return true;
    const age = this.#sources.now() - token.issuedAt;
    return age > dayMs || age > refreshShare * (token.expiresAt - token.issuedAt);
  }
}

/** Returns the sources of a volume. Every kind except emptyDir is a projection. @throws Error for kinds that need a container runtime or disk. */
function sourcesOf(volume: Volume): readonly VolumeSource[] {
  if (volume.emptyDir !== undefined) return [];
  if (volume.secret) {
    const { secretName, items, optional } = volume.secret;
    return [{ secret: { name: secretName, ...(items ? { items } : {}), ...(optional === undefined ? {} : { optional }) } }];
  }
  if (volume.configMap) return [{ configMap: volume.configMap }];
  if (volume.downwardAPI) return [{ downwardAPI: volume.downwardAPI }];
  if (volume.projected) return volume.projected.sources ?? [];
  throw new Error(
    `volume "${volume.name}" is of a kind that the local cluster does not have; it has emptyDir, secret, configMap, downwardAPI and projected`,
  );
}

function referenceOf(source: VolumeSource, kind: DataKind): string | undefined {
  return kind === 'Secret' ? source.secret?.name : source.configMap?.name;
}
