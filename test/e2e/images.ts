import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Provides archives of the product's images for the cluster, built on this machine's own files, so that no registry of images is needed.
 * TENANTRY_E2E_IMAGES names a folder with images built before.
 * @returns their folder. @throws Error when they cannot be built; the build has said why.
 */
export async function provideImages(folder: string, signal: AbortSignal): Promise<string> {
  const given = process.env['TENANTRY_E2E_IMAGES'];
  if (given) {
    if (!readdirSync(given).some((name) => name.endsWith('.tar')))
      throw new Error(`TENANTRY_E2E_IMAGES: no archives of images in ${given}`);
    return given;
  }
  mkdirSync(folder, { recursive: true });
  const build = spawn('npm', ['run', '--silent', 'images', '--', '--base-from-machine', '--output', folder], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    signal,
  });
  const code = await new Promise((resolve, reject) => {
    build.once('error', reject);
    build.once('exit', resolve);
  });
  if (code !== 0) throw new Error('the images could not be built');
  return folder;
}
