import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster } from './cluster/cluster.ts';
import { prepareFilesystem } from './cluster/filesystem.ts';
import { prepareNetwork } from './cluster/network.ts';
import { environmentOf } from './environment.ts';
import { failureReport } from './failure-report.ts';
import { runFolder } from './run-folder.ts';

/** Started by run.ts in namespaces of their own: makes them a node, starts the cluster on it, and runs what was asked for. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const [path = '', ...args] = process.argv.slice(2);

// What is unfinished when this process ends, ends with it; nothing waits for it.
process.exit(await main());

async function main(): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
  try {
    prepareFilesystem();
    prepareNetwork();
    await startCluster(runFolder(path), { signal: stopping.signal, say: (text) => process.stderr.write(`${text}\n`) });
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    process.stderr.write(`The cluster did not start: ${error instanceof Error ? error.message : String(error)}\n`);
    if (process.env['TENANTRY_E2E_KEEP'] !== '1') process.stderr.write('TENANTRY_E2E_KEEP=1 keeps all logs.\n');
    return 1;
  }
  if (args[0] === '--serve') return serve(stopping.signal);
  if (args[0] === '--shell') return run(args.length > 1 ? args.slice(1) : ['bash'], stopping.signal);
  const vitest = [process.execPath, join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--config', join(root, 'vitest.e2e.config.ts')];
  const code = await run([...vitest, ...args], stopping.signal);
  const { KUBECONFIG } = environmentOf(path) ?? {};
  if (code !== 0 && KUBECONFIG !== undefined && !stopping.signal.aborted) process.stderr.write(await failureReport(KUBECONFIG));
  return code;
}

/** Runs a command on the cluster. A signal reaches it from the terminal or is passed on; it ends by itself. */
function run([command = '', ...rest]: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, rest, { stdio: 'inherit', cwd: root, env: { ...process.env, ...environmentOf(path) } });
    signal.addEventListener('abort', () => child.kill('SIGTERM'));
    child.once('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(127);
    });
    child.once('exit', (code, ended) => resolve(code ?? 128 + (constants.signals[ended ?? 'SIGKILL'] ?? 0)));
  });
}

async function serve(signal: AbortSignal): Promise<number> {
  process.stderr.write(
    'The cluster is up, with the images of Tenantry on its node and nothing installed. `npm run test:e2e -- --enter` in another terminal opens a\n' +
      'shell in it; README.md, "On a cluster", installs the chart. Ctrl-C ends it.\n',
  );
  // Keeps the process alive; a signal alone does not.
  const alive = setInterval(() => {}, 60_000);
  await new Promise((resolve) => (signal.aborted ? resolve(undefined) : signal.addEventListener('abort', resolve)));
  clearInterval(alive);
  return 0;
}
