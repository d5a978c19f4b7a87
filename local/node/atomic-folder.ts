import { chownSync, existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** User and group of a pod's processes. Undefined for the agent's own user. */
export type Owner = { readonly uid: number; readonly gid: number } | undefined;

export interface FileContent {
  readonly content: Buffer;
  /** Permission bits. Those of group and others are dropped, so that only the owner can read. */
  readonly mode: number;
}

const link = '..data';

/**
 * A folder whose files change atomically, as with the kubelet: the files are links through `..data`, and an update writes a new folder
 * and replaces that link. Programs that watch mounted Secrets rely on this:
 * https://pkg.go.dev/k8s.io/kubernetes/pkg/volume/util#AtomicWriter
 */
export class AtomicFolder {
  readonly path: string;
  readonly #owner: Owner;
  #current: ReadonlyMap<string, FileContent> | undefined;
  #generation = 0;

  constructor(path: string, owner: Owner) {
    this.path = path;
    this.#owner = owner;
    makeFolder(path, owner);
  }

  /** Paths are relative to the folder. Writes nothing and returns false when all files are unchanged. */
  write(files: ReadonlyMap<string, FileContent>): boolean {
    if (this.#current !== undefined && isEqual(this.#current, files)) return false;
    const name = `..${Date.now()}.${this.#generation++}`;
    const folder = join(this.path, name);
    makeFolder(folder, this.#owner);
    for (const [path, { content, mode }] of files) {
      const file = join(folder, path);
      if (dirname(path) !== '.') makeParents(folder, dirname(path), this.#owner);
      writeFileSync(file, content, { mode: mode & 0o700 });
      give(file, this.#owner);
    }
    const previous = existsSync(join(this.path, link)) ? readlinkSync(join(this.path, link)) : undefined;
    symlinkSync(name, join(this.path, `${link}.new`));
    renameSync(join(this.path, `${link}.new`), join(this.path, link));
    const wanted = new Set([...files.keys()].map((path) => path.split('/')[0] ?? path));
    const present = new Set(readdirSync(this.path).filter((entry) => !entry.startsWith('..')));
    for (const entry of wanted) if (!present.has(entry)) symlinkSync(join(link, entry), join(this.path, entry));
    for (const entry of present) if (!wanted.has(entry)) rmSync(join(this.path, entry), { force: true });
    if (previous !== undefined) rmSync(join(this.path, previous), { recursive: true, force: true });
    this.#current = files;
    return true;
  }
}

export function makeFolder(path: string, owner: Owner): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  give(path, owner);
}

function makeParents(root: string, path: string, owner: Owner): void {
  let folder = root;
  for (const part of path.split('/')) {
    folder = join(folder, part);
    makeFolder(folder, owner);
  }
}

function give(path: string, owner: Owner): void {
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
}

function isEqual(a: ReadonlyMap<string, FileContent>, b: ReadonlyMap<string, FileContent>): boolean {
  if (a.size !== b.size) return false;
  for (const [path, file] of a) {
    const other = b.get(path);
    if (other === undefined || other.mode !== file.mode || !other.content.equals(file.content)) return false;
  }
  return true;
}
