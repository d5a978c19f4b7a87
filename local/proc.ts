import { readdirSync, readFileSync } from 'node:fs';

/**
 * A process that cannot be mistaken for a later one with the same number: Linux hands out process numbers again, but not twice in
 * the same clock tick, and not across a boot.
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

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; the name in parentheses may itself hold spaces and parentheses. */
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

/** The identity of a running process; undefined when there is none of that number. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : { pid, startTicks: stat.startTicks, boot: bootId() };
}

/** Whether that very process still runs. A zombie does not. */
export function isRunning(process: ProcessIdentity): boolean {
  const stat = statOf(process.pid);
  return stat !== undefined && stat.state !== 'Z' && stat.startTicks === process.startTicks && bootId() === process.boot;
}

/**
 * `leader` and what it has started, as far as it runs: the members of the session it opened, and, for those that opened a session of
 * their own, every later process that has inherited `marker`, a `NAME=value` which no other process has in its environment.
 * The number of a session is not handed out again while it has members.
 */
export function familyOf(leader: ProcessIdentity, marker?: string): number[] {
  if (bootId() !== leader.boot) return [];
  const members: number[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    const stat = statOf(pid);
    if (stat === undefined || stat.state === 'Z' || stat.startTicks < leader.startTicks) continue;
    // The number of the leader with another start is a stranger's, and so is its session.
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

/** Sends `signal` to one process; a process that is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Ends what a process left behind, as the end of a container's first process ends the container. */
export function killFamily(leader: ProcessIdentity, marker?: string): void {
  for (const pid of familyOf(leader, marker)) signalProcess(pid, 'SIGKILL');
}
