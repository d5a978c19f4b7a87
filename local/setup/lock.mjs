// @ts-check
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Heartbeat interval of the holder, in milliseconds. It serves processes of other containers or machines, which cannot see the holder's. */
const beatMs = 5_000;
const silentMs = 60_000;

/**
 * Runs `work` under an exclusive lock file. Takes over the lock of a process that has ended.
 * @template T
 * @param {string} file
 * @param {{onWait: (holder: number, released: Promise<void>) => Promise<void> | void, now?: () => number, pollMs?: number}} options
 *   `onWait` is called once; its promise must resolve soon after the lock is released
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, options, work) {
  const { onWait, now = Date.now, pollMs = 500 } = options;
  mkdirSync(dirname(file), { recursive: true });
  const self = JSON.stringify(identityOf(process.pid));
  let release = () => {};
  const released = new Promise((/** @type {(value: void) => void} */ resolve) => {
    release = resolve;
  });
  /** @type {Promise<void> | void} */
  let waiting;
  try {
    for (let told = false; ; ) {
      try {
        writeFileSync(file, self, { flag: 'wx' });
        break;
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
      }
      const holder = read(file);
      if (isStale(file, holder, now())) {
        takeAway(file, holder);
        continue;
      }
      if (!told) waiting = onWait(holder?.pid ?? 0, released);
      told = true;
      await delay(pollMs);
    }
  } finally {
    release();
    await waiting;
  }
  const beat = setInterval(() => {
    try {
      utimesSync(file, new Date(), new Date());
    } catch {
      // Another process considered this one dead and took the lock. The final rename still leaves complete files.
    }
  }, beatMs).unref();
  const drop = () => {
    if (readText(file) === self) rmSync(file, { force: true });
  };
  process.once('exit', drop);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    process.off('exit', drop);
    drop();
  }
}

/** @typedef {{pid: number, start: string, space: string}} Holder */

/** Returns the pid, the start time, and the namespace of the pid. @param {number} pid @returns {Holder} */
function identityOf(pid) {
  const stat = readText(`/proc/${pid}/stat`) ?? '';
  return { pid, start: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '', space: space() };
}

function space() {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** @param {string} file @param {Holder | undefined} holder @param {number} now */
function isStale(file, holder, now) {
  if (holder !== undefined && holder.space === space()) return identityOf(holder.pid).start !== holder.start;
  try {
    return now - statSync(file).mtimeMs > silentMs;
  } catch {
    return false;
  }
}

/** Removes the lock only if this holder still has it, because another process may have replaced it. @param {string} file @param {Holder | undefined} holder */
function takeAway(file, holder) {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
  } catch {
    return;
  }
  const taken = read(aside);
  if (JSON.stringify(taken) !== JSON.stringify(holder)) {
    try {
      writeFileSync(file, readText(aside) ?? '', { flag: 'wx' });
    } catch {
      // A third process has the lock now. The displaced process finishes its work with a rename.
    }
  }
  rmSync(aside, { force: true });
}

/** @param {string} file @returns {Holder | undefined} */
function read(file) {
  try {
    return JSON.parse(readText(file) ?? '');
  } catch {
    return undefined;
  }
}

/** @param {string} file */
function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
