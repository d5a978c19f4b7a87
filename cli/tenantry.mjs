#!/usr/bin/env node
// @ts-check
/**
 * Starts the command line on a Node that can run it. Plain JavaScript that every Node since 18 reads: the machine's own may be older than
 * the one the project brings, and what is missing has to be said by what does run.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const wanted = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const brought = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
const main = join(root, 'cli', 'main.ts');

/** @param {string} message */
function trouble(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

if (!existsSync(join(root, 'node_modules', 'commander'))) {
  trouble(`The packages of Tenantry are not installed. Run this first:\n\n    cd ${root} && npm ci\n`);
} else if (Number(process.versions.node.split('.')[0]) >= wanted) {
  await import('./main.ts');
} else if (existsSync(brought)) {
  const child = spawn(brought, [main, ...process.argv.slice(2)], { stdio: 'inherit' });
  // A terminal sends Ctrl-C to both; the child decides how it ends, and this process with it.
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
  trouble(
    `tenantry needs Node.js ${wanted} or later; this is ${process.versions.node}, and no other came with the packages.\n` +
      `Run \`npm ci --include=optional\` in ${root}, which brings one on Linux, or install it: https://nodejs.org`,
  );
}
