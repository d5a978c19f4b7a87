import type { Container } from './pod.ts';

/** The local program that replaces an image on a node without containers. */
export interface LocalImage {
  /** Program and first arguments, like an image's ENTRYPOINT. Paths are those of this machine. */
  readonly entrypoint: readonly string[];
  readonly workingDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Folder with the compiled form of its programs, for Node.js: see local/node/compiled.ts. */
  readonly compiled?: string;
}

/** Local programs by image reference without tag and digest. */
export type LocalImages = Readonly<Record<string, LocalImage>>;

/** Repository of an image reference: `ghcr.io/acme/api:1.2@sha256:…` is `ghcr.io/acme/api`. */
export function repositoryOf(reference: string): string {
  const untagged = reference.split('@')[0] ?? '';
  const colon = untagged.lastIndexOf(':');
  // A colon before a slash belongs to the registry's port.
  return colon > untagged.lastIndexOf('/') ? untagged.slice(0, colon) : untagged;
}

/**
 * Returns the program of a container. A container with a `command` runs that command on this machine and ignores its image. Users bring
 * their own API to the local cluster this way. Undefined without a command and a known image.
 */
export function entryOf(container: Container, images: LocalImages): LocalImage | undefined {
  const name = repositoryOf(container.image);
  const image = Object.hasOwn(images, name) ? images[name] : undefined;
  if (container.command === undefined || container.command.length === 0) return image;
  return { ...image, entrypoint: container.command };
}

export function unknownImageMessage(container: Container): string {
  return (
    `image "${container.image}" cannot run here: the local cluster runs pods as processes of this machine and knows no such image. ` +
    `Give container "${container.name}" a command that starts your program on this machine, or use a real cluster, such as kind.`
  );
}
