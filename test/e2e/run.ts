import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { signalProcess } from '../../local/machine/process-identity.ts';
import { enterRun } from './enter.ts';
import { provideImages } from './images.ts';
import { obstacles } from './preflight.mjs';
import { abandonedRuns, makeRunFolder, type RunFolder, removeRun } from './run-folder.ts';

const usage = `usage: npm run test:e2e [-- <what>]
  <arguments for vitest>     run the tests, such as a file's name or -t <name of a test>
  --shell [<command>]        start the cluster, then a shell or a command in it
  --serve                    start the cluster and keep it until Ctrl-C
  --enter [<command>]        a shell or a command in the cluster that another terminal has started
TENANTRY_E2E_KEEP=1 keeps the folder with all logs.
`;
const here = import.meta.dirname;
const root = fileURLToPath(new URL('../..', import.meta.url));

// Where Debian keeps ip, iptables and others, which an account's PATH may lack.
process.env['PATH'] = `${process.env['PATH']}:/usr/sbin:/sbin`;
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === '--help') {
    process.stdout.write(usage);
    return 0;
  }
  const faults = obstacles();
  if (faults.length > 0) {
    process.stderr.write(`${faults.join('\n')}\n`);
    return 1;
  }
  if (args[0] === '--enter') return enterRun(args.slice(1));
  for (const run of abandonedRuns()) await removeRun(run, false);
  loadKernelModules();
  return launch(makeRunFolder(), args);
}

/** Runs the tests in namespaces of their own and resolves with their exit code when nothing of them is left. */
async function launch(run: RunFolder, args: readonly string[]): Promise<number> {
  const keep = process.env['TENANTRY_E2E_KEEP'] === '1';
  const janitor = spawn(process.execPath, [join(here, 'janitor.ts'), run.path, ...(keep ? ['keep'] : [])], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
    cwd: '/',
  });
  const code = await launchInside(run, args).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    return 1;
  });
  janitor.stdin?.end();
  const cleaned = await exitOf(janitor);
  if (keep) process.stderr.write(`Logs are in ${run.path}\n`);
  return code || cleaned;
}

async function launchInside(run: RunFolder, args: readonly string[]): Promise<number> {
  const asked = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => asked.abort());
  const images = await provideImages(join(run.path, 'product'), asked.signal);
  const namespaces = ['--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--kill-child', '--mount-proc'];
  const program = ['bash', join(here, 'init.sh'), process.execPath, join(here, 'inside.ts'), run.path, ...args];
  // The namespaces end with unshare, and unshare with this process, whatever ends it.
  const inside = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...program], {
    stdio: 'inherit',
    cwd: root,
    env: { ...process.env, TENANTRY_E2E_IMAGES: images },
  });
  asked.signal.addEventListener('abort', () => {
    // First asked, so that what was found is reported.
    askFirstProcess(inside);
    setTimeout(() => inside.kill('SIGKILL'), 10_000).unref();
  });
  return exitOf(inside);
}

/** Asks the first process of the namespaces to end: unshare itself, its parent, lets no signal through. */
function askFirstProcess(unshare: ChildProcess): void {
  if (unshare.exitCode !== null || unshare.signalCode !== null) return;
  const children = readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').trim().split(' ');
  for (const child of children.map(Number)) if (child > 0) signalProcess(child, 'SIGTERM');
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal ?? 'SIGKILL'] ?? 0)));
  });
}

/** Namespaces cannot load modules by themselves. Kernels with everything built in have none to load, and what is missing shows in use. */
function loadKernelModules(): void {
  const builtIn = readFileSync('/proc/filesystems', 'utf8').includes('overlay');
  const modules = ['br_netfilter', 'nf_conntrack', 'nft_compat', ...(builtIn ? [] : ['overlay'])];
  spawnSync('modprobe', ['-a', '-q', ...modules], { stdio: 'ignore' });
}
