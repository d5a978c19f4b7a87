import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
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
  const program = [process.execPath, join(root, 'images/main.ts'), '--base-from-machine', '--output', folder];
  // Asked to end when this process does, whatever ends it.
  const build = spawn('setpriv', ['--pdeathsig', 'TERM', ...program], { cwd: root, stdio: ['ignore', 2, 2] });
  signal.addEventListener('abort', () => build.kill());
  const code = await new Promise((resolve, reject) => {
    build.once('error', reject);
    build.once('exit', resolve);
  });
  if (code !== 0) throw new Error(signal.aborted ? 'stopped while the images were built' : 'the images could not be built');
  return folder;
}
