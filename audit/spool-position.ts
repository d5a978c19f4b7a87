import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How far a spool has been taken: everything before `offset` of the file of this number. */
export interface Position {
  readonly segment: number;
  readonly offset: number;
}

const file = 'position.json';

/** The beginning where there is none or it cannot be read: then records are handed out again, never left out. */
export function readPosition(dir: string): Position {
  try {
    const { segment, offset } = JSON.parse(readFileSync(join(dir, file), 'utf8')) as Partial<Position>;
    if (Number.isSafeInteger(segment) && Number.isSafeInteger(offset)) return { segment: Number(segment), offset: Number(offset) };
  } catch {
    // Never written, or torn by a crash of the machine.
  }
  return { segment: 0, offset: 0 };
}

/** Replaces it whole or not at all. Where it cannot, as on a full disk, records may be handed out again after a crash. */
export function writePosition(dir: string, position: Position): void {
  const path = join(dir, file);
  try {
    writeFileSync(`${path}.new`, JSON.stringify(position), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // Said above.
  }
}
