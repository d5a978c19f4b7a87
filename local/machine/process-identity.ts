import { readdirSync, readFileSync } from 'node:fs';

/**
 * Identifies a process beyond its pid. Linux reuses pids, but not within the same clock tick, and the boot id differs after a reboot.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot, field 22 of /proc/<pid>/stat. */
  readonly startTicks: number;
  /** /proc/sys/kernel/random/boot_id. */
  readonly boot: string;
}

interface Stat {
  readonly state: string;
  readonly session: number;
  readonly startTicks: number;
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; the name in parentheses may itself contain spaces and parentheses. */
function statOf(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', session: Number(fields[3]), startTicks: Number(fields[19]) };
}

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Returns the identity of a running process. Undefined when the pid is unused. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : { pid, startTicks: stat.startTicks, boot: bootId() };
}

/** Tells whether exactly this process still runs. A zombie does not count as running. */
export function isRunning(process: ProcessIdentity): boolean {
  const stat = statOf(process.pid);
  return stat !== undefined && stat.state !== 'Z' && stat.startTicks === process.startTicks && bootId() === process.boot;
}

/**
 * Lists the running processes of `leader`: the leader and all members of its session. A descendant may open its own session, so every
 * later process that inherited `marker` is listed too. The marker is a `NAME=value` that only the leader and its descendants have in
 * their environment. Linux does not reuse a session id while the session has members.
 */
export function familyOf(leader: ProcessIdentity, marker?: string): number[] {
  if (bootId() !== leader.boot) return [];
  const members: number[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const stat = statOf(pid);
    if (stat === undefined || stat.state === 'Z' || stat.startTicks < leader.startTicks) continue;
    // The leader's pid with another start time belongs to an unrelated process, and so does its session.
    if (pid === leader.pid && stat.startTicks !== leader.startTicks) return members.filter((member) => hasMarker(member, marker));
    if (stat.session === leader.pid || hasMarker(pid, marker)) members.push(pid);
  }
  return members;
}

function hasMarker(pid: number, marker: string | undefined): boolean {
  if (marker === undefined) return false;
  try {
    return `\0${readFileSync(`/proc/${pid}/environ`, 'latin1')}`.includes(`\0${marker}\0`);
  } catch {
    return false;
  }
}

/** Sends `signal` to one process. Ignores a process that has already ended. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Kills the remaining processes of `leader`, as the end of a container's first process ends the container. */
export function killFamily(leader: ProcessIdentity, marker?: string): void {
  for (const pid of familyOf(leader, marker)) signalProcess(pid, 'SIGKILL');
}
