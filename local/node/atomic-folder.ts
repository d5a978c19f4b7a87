import { chownSync, existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** User and group of a pod's processes. Undefined for the agent's own user. */
export type Owner = { readonly uid: number; readonly gid: number } | undefined;

/** Contents of files by name. */
export type Files = ReadonlyMap<string, Buffer>;

const link = '..data';

/**
 * A folder whose files change atomically, as with the kubelet: the files are links through `..data`, and an update writes a new folder
 * and replaces that link. Programs that watch mounted Secrets rely on this:
 * https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter
 */
export class AtomicFolder {
  readonly path: string;
  readonly #owner: Owner;
  #current: Files | undefined;
  #generation = 0;

  constructor(path: string, owner: Owner) {
    this.path = path;
    this.#owner = owner;
    makeFolder(path, owner);
  }

  /** Replaces all files. Only the owner can read them. Writes nothing and returns false when all files are unchanged. */
  write(files: Files): boolean {
    if (this.#current !== undefined && isEqual(this.#current, files)) return false;
    const name = `..${Date.now()}.${this.#generation++}`;
    const folder = join(this.path, name);
    makeFolder(folder, this.#owner);
    for (const [path, content] of files) {
      writeFileSync(join(folder, path), content, { mode: 0o600 });
      give(join(folder, path), this.#owner);
    }
    const previous = existsSync(join(this.path, link)) ? readlinkSync(join(this.path, link)) : undefined;
    symlinkSync(name, join(this.path, `${link}.new`));
    renameSync(join(this.path, `${link}.new`), join(this.path, link));
    const present = new Set(readdirSync(this.path).filter((entry) => !entry.startsWith('..')));
    for (const entry of files.keys()) if (!present.has(entry)) symlinkSync(join(link, entry), join(this.path, entry));
    for (const entry of present) if (!files.has(entry)) rmSync(join(this.path, entry), { force: true });
    if (previous !== undefined) rmSync(join(this.path, previous), { recursive: true, force: true });
    this.#current = files;
    return true;
  }
}

export function makeFolder(path: string, owner: Owner): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  give(path, owner);
}

function give(path: string, owner: Owner): void {
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}

function isEqual(a: Files, b: Files): boolean {
  return a.size === b.size && [...a].every(([path, content]) => b.get(path)?.equals(content));
}
