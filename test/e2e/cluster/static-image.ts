import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { architectures } from '../../../local/setup/locate.mjs';

const execute = promisify(execFile);

/**
 * Writes an image that holds nothing but one static program, as an archive of `docker save`, which containerd imports. No registry can
 * be counted on, and no build tool is needed for so little.
 * @returns path of the archive.
 */
export async function writeStaticImage(options: {
  folder: string;
  image: string;
  program: string;
  args?: readonly string[];
}): Promise<string> {
  const { folder, image, program, args = [] } = options;
  mkdirSync(join(folder, 'layer'), { recursive: true });
  copyFileSync(program, join(folder, 'layer/program'));
  await tar(join(folder, 'layer.tar'), join(folder, 'layer'), ['program']);
  const configuration = JSON.stringify({
    architecture: architectures[process.arch as keyof typeof architectures],
    os: 'linux',
    config: { Entrypoint: ['/program', ...args] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${await digestOf(join(folder, 'layer.tar'))}`] },
  });
  const configurationFile = `${createHash('sha256').update(configuration).digest('hex')}.json`;
  writeFileSync(join(folder, configurationFile), configuration);
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify([{ Config: configurationFile, RepoTags: [image], Layers: ['layer.tar'] }]));
  const archive = `${folder}.tar`;
  await tar(archive, folder, ['manifest.json', configurationFile, 'layer.tar']);
  rmSync(folder, { recursive: true });
  return archive;
}

async function tar(archive: string, folder: string, members: readonly string[]): Promise<void> {
  await execute('tar', ['--create', '--file', archive, '--directory', folder, '--owner=0', '--group=0', '--numeric-owner', ...members]);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
