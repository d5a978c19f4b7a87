import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Writes generated files, which are committed. With `--check` on the command line it only compares, names the stale files and sets the exit
 * code 1.
 */
export function emit(files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    if (process.argv.includes('--check')) {
      if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
      console.error(`${relative(root, path)} is not what it is generated from. Run: npm run generate`);
      process.exitCode = 1;
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }
}
