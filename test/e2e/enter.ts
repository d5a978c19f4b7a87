import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { environmentOf } from './environment.ts';
import { runningRuns } from './run-folder.ts';

/** Runs a command, or a shell, in the namespaces of the youngest cluster that another process has started, or of that of TENANTRY_E2E_RUN. */
export function enterRun(command: readonly string[]): number {
  const wanted = process.env['TENANTRY_E2E_RUN'];
  const run = runningRuns().find(({ path }) => wanted === undefined || path === wanted);
  const inside = run && processInside(run.path);
  const environment = run && environmentOf(run.path);
  if (!inside || !environment) {
    process.stderr.write('No cluster runs, or it is not up yet. Start one in another terminal: npm run test:e2e -- --serve\n');
    return 1;
  }
  const namespaces = ['--mount', '--net', '--pid', '--ipc', '--uts'];
  const program = command.length > 0 ? command : ['bash'];
  const entering = ['--target', inside, ...namespaces, `--wd=${process.cwd()}`, '--', ...program];
  return spawnSync('nsenter', entering, { stdio: 'inherit', env: { ...process.env, ...environment } }).status ?? 1;
}

/** The process of test/e2e/inside.ts for that run, by its number out here. */
function processInside(path: string): string | undefined {
  return readdirSync('/proc').find((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const [, program = '', folder] = commandOf(pid);
    return program.endsWith('/test/e2e/inside.ts') && folder === path;
  });
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
