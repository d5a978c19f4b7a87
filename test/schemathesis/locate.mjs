// @ts-check
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../local/setup/locate.mjs';

export const requirements = fileURLToPath(new URL('requirements.txt', import.meta.url));
/** Settings that have no option on the command line. */
export const settings = fileURLToPath(new URL('schemathesis.toml', import.meta.url));
/** Written last: an environment without it is half made. */
export const completeMark = '.complete';

/** The environment for exactly these versions. @param {NodeJS.ProcessEnv} env */
export function environmentFolder(env) {
  const hash = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  return join(cacheFolder(env), `schemathesis-${hash}`);
}

/** @param {string} folder */
export function isComplete(folder) {
  return existsSync(join(folder, completeMark));
}

/** The program. @param {NodeJS.ProcessEnv} env */
export function schemathesis(env) {
  return join(environmentFolder(env), 'bin', 'schemathesis');
}
