import { existsSync } from 'node:fs';
import { join, normalize } from 'node:path';
import type { Container } from './pod.ts';

/** A mount of a container, and the local folder or file that replaces it. */
export interface Mount {
  readonly mountPath: string;
  readonly target: string;
}

/** Returns the mounts of a container, longest path first. `folderOf` returns the folder of a volume. */
export function mountsOf(container: Container, folderOf: (volume: string) => string): Mount[] {
  return (container.volumeMounts ?? [])
    .map(({ name, mountPath }) => ({ mountPath: normalize(mountPath).replace(/(?<=.)\/+$/, ''), target: folderOf(name) }))
    .sort((a, b) => b.mountPath.length - a.mountPath.length);
}

/**
 * Rewrites a value that starts with a mount path to the real folder, because a local process has no mounts. With a volume on /etc/app,
 * CONFIG=/etc/app/x.json becomes CONFIG=<state folder>/…/x.json, and the argument --config=/etc/app/x.json is rewritten likewise. Paths
 * that are built into the program cannot be rewritten.
 */
export function rewriteValue(value: string, mounts: readonly Mount[]): string {
  for (const { mountPath, target } of mounts) {
    if (value === mountPath) return target;
    // An existing local file below the same path, such as a checkout in /tmp, is kept.
    if (value.startsWith(`${mountPath}/`) && !existsSync(value)) return join(target, value.slice(mountPath.length));
  }
  return value;
}

/** Rewrites an argument. Its path may follow an option's name. */
export function rewriteArgument(argument: string, mounts: readonly Mount[]): string {
  const option = /^(--?[A-Za-z][-A-Za-z0-9_.]*=)(\/.*)$/s.exec(argument);
  return option?.[1] !== undefined && option[2] !== undefined
    ? option[1] + rewriteValue(option[2], mounts)
    : rewriteValue(argument, mounts);
}
