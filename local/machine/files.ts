import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs';

/** Writes a file atomically. Only its owner can read it. */
export function writePrivate(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

/** Opens a log for appending. Child processes write to it directly, so their output does not depend on this process. */
export function openLog(file: string): number {
  return openSync(file, 'a', 0o600);
}

/** Returns the end of a file as text, starting at the beginning of a line. Empty when the file does not exist. */
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
 * Keeps the last quarter of a log that has grown beyond `maxBytes`. The writers hold the file open for appending, so it is shortened in
 * place. Lines written at the same moment may be lost.
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
