import { existsSync } from 'node:fs';
import { join, normalize } from 'node:path';
import type { Container } from './pod.ts';

/** A mount of a container and the folder or file of this machine that stands for it. */
export interface Mount {
  readonly mountPath: string;
  readonly target: string;
}

/** The mounts of a container, longest path first. `folderOf` gives the folder of a volume. */
export function mountsOf(container: Container, folderOf: (volume: string) => string): Mount[] {
  return (container.volumeMounts ?? [])
    .map((mount) => ({
      mountPath: normalize(mount.mountPath).replace(/(?<=.)\/+$/, ''),
      target: mount.subPath === undefined ? folderOf(mount.name) : join(folderOf(mount.name), inside(mount.subPath)),
    }))
    .sort((a, b) => b.mountPath.length - a.mountPath.length);
}

/**
 * A process has no mounts of its own, so values that start with a mount path are rewritten to the real folder: a container with a
 * volume on /etc/app gets CONFIG=/etc/app/x.json as CONFIG=<state folder>/…/x.json, and an argument --config=/etc/app/x.json
 * likewise. A path that the program has built in is out of reach.
 */
export function rewriteValue(value: string, mounts: readonly Mount[]): string {
  for (const { mountPath, target } of mounts) {
    if (value === mountPath) return target;
    // A file of this machine below the same path, such as a checkout in /tmp, is meant itself.
    if (value.startsWith(`${mountPath}/`) && !existsSync(value)) return join(target, value.slice(mountPath.length));
  }
  return value;
}

/** An argument may carry its path behind an option's name. */
export function rewriteArgument(argument: string, mounts: readonly Mount[]): string {
  const option = /^(--?[A-Za-z][-A-Za-z0-9_.]*=)(\/.*)$/s.exec(argument);
  return option?.[1] !== undefined && option[2] !== undefined
    ? option[1] + rewriteValue(option[2], mounts)
    : rewriteValue(argument, mounts);
}

function inside(subPath: string): string {
  const path = normalize(subPath);
  if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`subPath "${subPath}" leads out of its volume`);
  return path;
}
