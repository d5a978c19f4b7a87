import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Backoff, backoffMs } from '../../net/backoff.ts';
import { openLog, tailOf, trimLog } from './files.ts';
import { identify, killFamily, type ProcessIdentity, signalProcess } from './process-identity.ts';
import type { Ending, ProcessRecords } from './process-records.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** A program to run. Its environment is exactly `env` and inherits nothing from this process. */
export interface Program extends Ending {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

export interface Exit {
  /** Exit code as a shell reports it: 128 + n after signal n. */
  readonly code: number;
  readonly signal: NodeJS.Signals | undefined;
}

/** Longest delay of a timer, in milliseconds. Node fires a longer one at once. */
export const longestDelayMs = 2 ** 31 - 1;

/** A child process in its own session. It stays recorded until it and all its descendants have ended. */
export interface Child {
  readonly identity: ProcessIdentity;
  readonly exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
  /** Sends the program's stop signal, or `signal`. Kills it and its descendants after `graceMs`. Resolves when all have ended. */
  stop(graceMs: number, signal?: NodeJS.Signals): Promise<Exit>;
}

/** Starts a program. @throws Error that names the program and the cause when it cannot be started. */
export async function startChild(program: Program, records: ProcessRecords): Promise<Child> {
  const child = spawnInto(openLog(program.logFile), program);
  const exit = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) =>
      resolve({ code: code ?? 128 + (signalNumbers[signal ?? 'SIGKILL'] ?? 0), signal: signal ?? undefined }),
    );
  });
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity === undefined) {
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => child.once('error', resolve));
    throw new Error(`cannot start ${program.command}: ${reasonOf(error, program)}`);
  }
  child.on('error', () => {});
  records.add(identity, program);
  const exited = exit.then((result) => {
    killFamily(identity, program.marker);
    records.remove(identity);
    return result;
  });
  const kill = (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) signalProcess(identity.pid, signal);
  };
  return {
    identity,
    exited,
    kill,
    async stop(graceMs, signal = program.stopSignal ?? 'SIGTERM') {
      kill(signal);
      const patience = new AbortController();
      const killing = delay(Math.min(graceMs, longestDelayMs), undefined, { signal: patience.signal }).then(
        () => killFamily(identity, program.marker),
        () => {},
      );
      const result = await exited;
      patience.abort();
      await killing;
      return result;
    },
  };
}

function spawnInto(output: number, program: Program): ChildProcess {
  const { uid, gid } = program;
  try {
    return spawn(program.command, [...program.args], {
      // Its own session keeps Ctrl-C in the terminal away from it and makes its descendants findable.
      detached: true,
      stdio: ['ignore', output, output],
      env: program.env,
      ...(program.cwd === undefined ? {} : { cwd: program.cwd }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
  } finally {
    closeSync(output);
  }
}

const signalNumbers: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

function reasonOf(error: NodeJS.ErrnoException, program: Program): string {
  if (error.code === 'ENOENT') {
    return program.cwd === undefined ? 'no such program on this machine' : `no such program on this machine, or no folder ${program.cwd}`;
  }
  if (error.code === 'EACCES') return 'no such program that the user it should run as may execute';
  return error.code ?? error.message;
}

export interface SuperviseOptions extends Program {
  /** For logs and errors. */
  readonly name: string;
  readonly records: ProcessRecords;
  readonly log: Log;
  /** Polled after each start until it returns true. When left out, a started process counts as ready. */
  readonly ready?: (signal: AbortSignal) => Promise<boolean>;
  readonly readyTimeoutMs?: number;
  readonly stopTimeoutMs?: number;
  readonly backOff?: Backoff & { readonly resetMs: number };
  readonly maxLogBytes?: number;
  /** Ends the wait for readiness. */
  readonly signal?: AbortSignal | undefined;
}

export interface Supervised {
  readonly pid: number | undefined;
  /** Ends the process and its restarts. Resolves when the process and its descendants have ended. */
  stop(): Promise<void>;
}

/**
 * Keeps a process running until it is stopped. A process that ends by itself is restarted after a growing delay. Resolves when the
 * process is ready for the first time.
 * @throws Error with the end of its log when it ends or times out before it was ready once.
 */
export async function supervise(options: SuperviseOptions): Promise<Supervised> {
  const { name, log, records, logFile } = options;
  const backOff = options.backOff ?? { firstMs: 250, maxMs: 30_000, resetMs: 60_000 };
  const stopping = new AbortController();
  const trimming = setInterval(() => trimLog(logFile, options.maxLogBytes ?? 20_000_000), 60_000).unref();
  let child = await startChild(options, records);

  const stop = async () => {
    stopping.abort();
    clearInterval(trimming);
    await child.stop(options.stopTimeoutMs ?? 10_000);
  };
  const failure = await untilReady(child, options);
  if (failure !== undefined) {
    await stop();
    options.signal?.throwIfAborted();
    const tail = tailOf(logFile, 1500).trimEnd();
    throw new Error(`${name} ${failure}. Its log, ${logFile}, ends with:\n${tail}`);
  }

  const keepRunning = async () => {
    let failures = 0;
    let startedAt = Date.now();
    while (!stopping.signal.aborted) {
      const exit = await child.exited;
      if (stopping.signal.aborted) return;
      failures = Date.now() - startedAt > backOff.resetMs ? 1 : failures + 1;
      const pauseMs = backoffMs(backOff, failures);
      log.warn({ process: name, exitCode: exit.code, signal: exit.signal, pauseMs }, 'process ended, starting it again');
      await delay(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      try {
        child = await startChild(options, records);
        startedAt = Date.now();
      } catch (error) {
        log.error({ process: name, err: error }, 'process cannot be started');
      }
    }
  };
  const running = keepRunning();
  return {
    get pid() {
      return stopping.signal.aborted ? undefined : child.identity.pid;
    },
    async stop() {
      await stop();
      await running;
      // A restart may have been under way.
      await child.stop(options.stopTimeoutMs ?? 10_000);
    },
  };
}

/** Waits for readiness. Resolves with the reason when the process did not become ready, else with undefined. */
async function untilReady(child: Child, options: SuperviseOptions): Promise<string | undefined> {
  const { ready, readyTimeoutMs = 60_000 } = options;
  if (ready === undefined) return undefined;
  const over = new AbortController();
  const deadline = AbortSignal.timeout(readyTimeoutMs);
  const signal = AbortSignal.any([over.signal, deadline, ...(options.signal ? [options.signal] : [])]);
  const poll = async (): Promise<string | undefined> => {
    for (let pauseMs = 20; !signal.aborted; pauseMs = Math.min(200, pauseMs * 1.5)) {
      if (await ready(signal).catch(() => false)) return undefined;
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    }
    return deadline.aborted ? `was not ready within ${readyTimeoutMs / 1000} s` : 'was stopped while starting';
  };
  const ended = child.exited.then((exit) => `ended with exit code ${exit.code} instead of getting ready`);
  try {
    return await Promise.race([poll(), ended]);
  } finally {
    over.abort();
  }
}
