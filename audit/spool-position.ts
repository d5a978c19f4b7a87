import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The place of the first unsent record: all earlier segments, and all bytes before `offset` of this segment, are sent. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

const file = 'position.json';

/** Returns the beginning when the file is missing or damaged, so that records are sent again and never skipped. */
export function readPosition(dir: string): Position {
  try {
    const { segment, offset } = JSON.parse(readFileSync(join(dir, file), 'utf8')) as Partial<Position>;
    if (Number.isSafeInteger(segment) && Number.isSafeInteger(offset)) return { segment: Number(segment), offset: Number(offset) };
  } catch {
    // The file was never written, or a crash of the machine damaged it.
  }
  return { segment: 0, offset: 0 };
}

/** Replaces the file atomically. After a failure, as on a full disk, a crash makes the next process send records again. */
export function writePosition(dir: string, position: Position): void {
  const path = join(dir, file);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(position), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // See above.
  }
}
