import { createReadStream, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
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

/** Brings an image, already saved as an archive, to a destination. */
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

/** Saves an image into the folder and says how large it is, as it is and as a registry would keep it. */
export async function archive(engine: Engine, image: string, folder: string, name: string): Promise<{ file: string; size: string }> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.tar`);
  // An archive that is there already is refused.
  rmSync(file, { force: true });
  await engine.save(image, file);
  const compressed = createReadStream(file).pipe(createGzip());
  let bytes = 0;
  for await (const chunk of compressed) bytes += (chunk as Buffer).length;
  return { file, size: `${megabytes(statSync(file).size)}, compressed ${megabytes(bytes)}` };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
