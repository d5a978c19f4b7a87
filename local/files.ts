import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs';

/** Writes a file that only its owner can read, whole or not at all. */
export function writePrivate(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

/** Opens a log for appending. Children write into it directly, so that their output neither passes through nor waits for this process. */
export function openLog(file: string): number {
  return openSync(file, 'a', 0o600);
}

/** The end of a file as text, from a line's beginning; empty when there is none. */
export function tailOf(file: string, maxBytes: number): string {
  let handle: number;
  try {
    handle = openSync(file, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(handle).size;
    const buffer = Buffer.alloc(Math.min(size, maxBytes));
    const read = readSync(handle, buffer, 0, buffer.length, size - buffer.length);
    const text = buffer.toString('utf8', 0, read);
    return size > maxBytes ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    closeSync(handle);
  }
}

/**
 * Keeps the last quarter of a log that has grown beyond `maxBytes`. The writers hold it open for appending, so it is shortened in
 * place; lines written in that very moment may be lost.
 */
export function trimLog(file: string, maxBytes: number): void {
  try {
    if (statSync(file).size <= maxBytes) return;
  } catch {
    return;
  }
  const kept = tailOf(file, Math.floor(maxBytes / 4));
  const handle = openSync(file, 'a');
  try {
    ftruncateSync(handle, 0);
    writeSync(handle, kept);
  } finally {
    closeSync(handle);
  }
}
