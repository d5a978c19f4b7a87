import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isRunning, type ProcessIdentity } from '../../local/machine/process-identity.ts';

/**
 * What a run leaves on this machine while it lasts: a folder, and control groups of the folder's name. All else it makes are processes,
 * mounts and network devices of its namespaces, which go when the first process in them ends.
 */
export interface RunFolder {
  readonly path: string;
  /** Control group of the pods, as kubelet names it. */
  readonly cgroup: string;
}

const prefix = 'tenantry-e2e-';
const cgroups = '/sys/fs/cgroup';

export function makeRunFolder(): RunFolder {
  const path = mkdtempSync(join(tmpdir(), prefix));
  // PostgreSQL runs as another user and must be able to pass through.
  execFileSync('chmod', ['711', path]);
  writeFileSync(join(path, 'launcher.json'), JSON.stringify({ ...identify(process.pid), namespace: pidNamespace() }));
  for (const root of cgroupRoots()) mkdirSync(join(root, basename(path)));
  return runFolder(path);
}

export function runFolder(path: string): RunFolder {
  return { path, cgroup: `/${basename(path)}` };
}

/** Folders of runs whose launcher still runs, the youngest first. */
export function runningRuns(): RunFolder[] {
  return seenRuns()
    .filter(({ launcher }) => isRunning(launcher))
    .sort((a, b) => b.launcher.startTicks - a.launcher.startTicks);
}

/** Folders of runs that were killed together with their janitor. */
export function abandonedRuns(): RunFolder[] {
  return seenRuns().filter(({ launcher }) => !isRunning(launcher));
}

/** Removes what is left of a run whose processes have ended or are ending. With `keepLogs`, the folder stays, without images and volumes. */
export async function removeRun(run: RunFolder, keepLogs: boolean): Promise<void> {
  for (const root of cgroupRoots()) await removeCgroup(join(root, basename(run.path)));
  rmSync(join(run.path, 'launcher.json'), { force: true });
  const waste = keepLogs ? ['containerd', 'kubelet', 'images', 'product'].map((name) => join(run.path, name)) : [run.path];
  for (const path of waste) rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** Version 2 has one hierarchy, version 1 one for each controller. */
function cgroupRoots(): string[] {
  if (existsSync(join(cgroups, 'cgroup.controllers'))) return [cgroups];
  return readdirSync(cgroups, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(cgroups, entry.name, 'cgroup.procs')))
    .map((entry) => join(cgroups, entry.name));
}

/** Ends the processes of a control group and removes it, its children first. They are gone in a moment, but not at once. */
async function removeCgroup(path: string): Promise<void> {
  const groups = () => [path, ...subfolders(path)].reverse();
  for (let tries = 0; existsSync(path); tries++) {
    for (const group of groups()) {
      for (const pid of processesIn(group)) tryTo(() => process.kill(pid, 'SIGKILL'));
      tryTo(() => rmdirSync(group));
    }
    if (!existsSync(path)) return;
    if (tries > 200) throw new Error(`the control group ${path} cannot be removed`);
    await delay(50);
  }
}

function subfolders(path: string): string[] {
  return (
    tryTo(() => readdirSync(path, { recursive: true, withFileTypes: true }))
      ?.filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name)) ?? []
  );
}

function processesIn(group: string): number[] {
  const text = tryTo(() => readFileSync(join(group, 'cgroup.procs'), 'utf8')) ?? '';
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);
}

/** The process that made a run's folder, and the PID namespace in which its number means something. */
interface Launcher extends ProcessIdentity {
  readonly namespace: string;
}

/** Runs whose launcher can be looked up from here. */
function seenRuns(): (RunFolder & { readonly launcher: Launcher })[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith(prefix))
    .flatMap((name) => {
      const path = join(tmpdir(), name);
      const launcher = tryTo(() => JSON.parse(readFileSync(join(path, 'launcher.json'), 'utf8')) as Launcher);
      return launcher?.namespace === pidNamespace() ? [{ ...runFolder(path), launcher }] : [];
    });
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

function tryTo<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
