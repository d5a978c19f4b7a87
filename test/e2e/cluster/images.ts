import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ctr } from './containerd.ts';
import { writeStaticImage } from './static-image.ts';

/** Names of the node's own images; nothing but this cluster knows them. */
export const nodeImages = {
  pause: 'docker.io/tenantry-e2e/pause:1',
  coredns: 'docker.io/tenantry-e2e/coredns:1',
  traefik: 'docker.io/tenantry-e2e/traefik:1',
} as const;

type NodeImage = keyof typeof nodeImages;

/** Makes images of static programs and imports them into containerd. `folder` is for the archives in between. */
export async function importNodeImages(folder: string, programs: Readonly<Record<NodeImage, string>>): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const names = Object.keys(nodeImages) as NodeImage[];
  await Promise.all(
    names.map(async (name) => {
      const archive = await writeStaticImage({ folder: join(folder, name), image: nodeImages[name], program: programs[name] });
      await importImage(archive);
    }),
  );
  rmSync(folder, { recursive: true });
}

/** Imports the archives of the product's images, so that the chart can be installed. */
export async function importProductImages(folder: string): Promise<void> {
  const archives = readdirSync(folder).filter((name) => name.endsWith('.tar'));
  await Promise.all(archives.map((name) => importImage(join(folder, name))));
}

/** Imports an archive as `docker save` or an OCI layout writes it. */
async function importImage(archive: string): Promise<void> {
  await ctr('images', 'import', archive);
}
