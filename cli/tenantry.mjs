#!/usr/bin/env node
// @ts-check
/**
 * Starts the command line on a Node that can run it. This file is plain JavaScript that runs on Node 18 and later. The Node of the machine
 * may be older than the Node that the project installs, and this file must still report what is missing.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const wanted = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** A checkout has the program in TypeScript with its packages beside it. An installed package has JavaScript with its dependencies. */
const source = join(root, 'cli', 'main.ts');
const packed = join(root, 'dist', 'command-line', 'cli', 'main.js');
const checkout = existsSync(source) || !existsSync(packed);
const main = checkout ? source : packed;

/** @param {string} message */
function trouble(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

/** Quotes a path for a POSIX shell. @param {string} path */
function quoted(path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** The Node that npm installed as a package. An installed package may find it in a parent folder. */
function broughtNode() {
  const name = process.platform === 'win32' ? 'node.cmd' : 'node';
  for (let folder = root; ; folder = dirname(folder)) {
    const file = join(folder, 'node_modules', '.bin', name);
    if (existsSync(file)) return file;
    if (checkout || dirname(folder) === folder) return undefined;
  }
}

/**
 * Folder of Node's compile cache, which cuts the next start to a third of the time. The folder belongs to the user: Node trusts the
 * contents of the cache, and another user may have made the default folder in /tmp.
 */
const cache = join(
  process.env['XDG_CACHE_HOME']?.startsWith('/') ? process.env['XDG_CACHE_HOME'] : join(homedir(), '.cache'),
  'tenantry',
  'node',
);

const brought = broughtNode();
if (checkout && !existsSync(join(root, 'node_modules', 'commander'))) {
  trouble(`The packages of Tenantry are not installed. Run this first:\n\n    cd ${quoted(root)} && npm ci\n`);
} else if (Number(process.versions.node.split('.')[0]) >= wanted) {
  module.enableCompileCache?.(cache);
  await import(pathToFileURL(main).href);
} else if (brought !== undefined) {
  const env = { NODE_COMPILE_CACHE: cache, ...process.env };
  const child = spawn(brought, [main, ...process.argv.slice(2)], { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to both processes. The child decides how it ends, and this process ends with it.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (signal !== 'SIGINT') child.kill(signal);
    });
  }
  child.on('error', (error) => trouble(`${brought} cannot be started: ${error.message}`));
  child.on('close', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
} else {
  const how = checkout
    ? `Run \`npm ci --include=optional\` in ${root}, which brings one on Linux, or install it: https://nodejs.org`
    : 'Install it, or install this package with its optional ones, which bring it on Linux: https://nodejs.org';
  trouble(`tenantry needs Node.js ${wanted} or later; this is ${process.versions.node}, and no other came with the packages.\n${how}`);
}
