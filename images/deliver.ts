import { createReadStream, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { createGzip } from 'node:zlib';
import type { Engine } from './engine.ts';
import type { Destination } from './options.ts';
import { isInstalled, run, Trouble } from './run.ts';

/** Programs a destination needs; checked before anything is built. */
export function checkDestinations(destinations: readonly Destination[]): void {
  const needed = { kind: 'kind', containerd: 'ctr', archives: undefined, push: undefined };
  for (const { kind } of destinations) {
    const program = needed[kind];
    if (program !== undefined && !isInstalled(program)) throw new Trouble(`--${kind} needs \`${program}\`, which is not in PATH.`);
  }
}

/** Delivers an image, already saved as an archive, to a destination. */
export async function deliver(destination: Destination, image: string, file: string, engine: Engine): Promise<string> {
  switch (destination.kind) {
    case 'archives':
      return file;
    case 'kind':
      await run('kind', ['load', 'image-archive', file, '--name', destination.cluster]);
      return `in the kind cluster ${destination.cluster}`;
    case 'containerd':
      // The namespace that Kubernetes uses.
      await run('ctr', ['--address', destination.address, '--namespace', 'k8s.io', 'images', 'import', file]);
      return `in containerd at ${destination.address}`;
    case 'push':
      await engine.push(image);
      return 'pushed';
  }
}

/** Writes an image as an archive and replaces an existing one. */
export async function archive(engine: Engine, image: string, file: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true });
  // Some engines refuse to overwrite an archive, others append to it.
  rmSync(file, { force: true });
  await engine.save(image, file);
}

/** The size of an archive and, on demand, its compressed size, which registries store and nodes pull. */
export async function sizeOf(file: string, compressed: boolean): Promise<string> {
  const size = megabytes(statSync(file).size);
  if (!compressed) return size;
  let bytes = 0;
  for await (const chunk of createReadStream(file).pipe(createGzip())) bytes += (chunk as Buffer).length;
  return `${size}, compressed ${megabytes(bytes)}`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
