import { close, fdatasync, ftruncateSync, mkdirSync, openSync, readdirSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { lineOf, linesIn } from './segment.ts';
import { type Position, readPosition, writePosition } from './spool-position.ts';

/** The spool holds as much as it may, or its disk does: the record was not taken. */
export class SpoolFull extends Error {
  override readonly name = 'SpoolFull';
}

/** The record is larger than any may be: it was not taken. */
export class RecordTooLarge extends Error {
  override readonly name = 'RecordTooLarge';
}

export interface SpoolOptions {
  /** A folder of this process alone; made if missing. */
  readonly dir: string;
  /** Most bytes on disk; 48 MiB when left out. */
  readonly maxBytes?: number;
  /** Bytes after which a new file is begun. */
  readonly segmentBytes?: number;
  /** Milliseconds within which what was written is forced to disk: what a crash of the machine may cost. */
  readonly flushMs?: number;
}

/** Records to send, oldest first. */
export interface Batch<T> {
  readonly records: readonly T[];
  /** Call once the receiver has them: they are not handed out again. */
  acknowledge(): void;
}

interface Segment {
  readonly number: number;
  size: number;
}

/**
 * Most bytes of a spool: about 100,000 tool calls, or more than a day's records of an operator with a thousand tenants. The sidecar's volume
 * has 64 MiB; a pod that exceeds them is evicted.
 */
export const spoolBytes = 48 * 1024 * 1024;
export const maxRecordBytes = 64 * 1024;
const defaultSegmentBytes = 1024 * 1024;

/**
 * Keeps records in a folder until somebody has taken them. `append` has written the record when it returns, so a process that is
 * killed loses none; a machine that crashes loses at most what was written within `flushMs`. A record may be handed out again after a
 * crash: its receiver tells it by its id. One writer and one reader, both in this process. Only offsets are held in memory.
 */
export class Spool<T extends { readonly id: string }> {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #flushMs: number;
  /** Oldest first. */
  readonly #segments: Segment[] = [];
  #position: Position;
  #next: number;
  #writing: { readonly segment: Segment; readonly fd: number } | undefined;
  #flushing: NodeJS.Timeout | undefined;
  #damaged = 0;
  #appended = Promise.withResolvers<void>();

  /** Continues with what an earlier process left. @throws Error of node:fs when the folder cannot be used. */
  constructor(options: SpoolOptions) {
    this.#dir = options.dir;
    this.#maxBytes = options.maxBytes ?? spoolBytes;
    this.#segmentBytes = Math.min(options.segmentBytes ?? defaultSegmentBytes, this.#maxBytes);
    this.#flushMs = options.flushMs ?? 1_000;
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    this.#position = readPosition(this.#dir);
    for (const number of segmentNumbers(this.#dir)) {
      const { size } = statSync(this.#path(number));
      const done = number < this.#position.segment || (number === this.#position.segment && this.#position.offset === size);
      // A crash of the machine may have taken the end of the file and left the position.
      if (number === this.#position.segment && this.#position.offset > size) this.#position = { segment: number, offset: 0 };
      if (done) unlinkSync(this.#path(number));
      else this.#segments.push({ number, size });
    }
    this.#next = Math.max(this.#position.segment, this.#segments.at(-1)?.number ?? 0) + 1;
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#segments.reduce((sum, { size }) => sum + size, 0);
  }

  /** Lines that could not be read and were left out; anything but 0 means that a disk or somebody damaged the files. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Whether it is time to refuse new work: there is room for what is under way, an eighth of the whole, and no more. */
  get full(): boolean {
    return this.bytes > this.#maxBytes - this.#maxBytes / 8;
  }

  /** Writes a record. @throws SpoolFull; RecordTooLarge above 64 KiB. */
  append(record: T): void {
    const line = lineOf(record);
    if (line.length > maxRecordBytes) throw new RecordTooLarge(`a record of ${line.length} bytes is larger than ${maxRecordBytes}`);
    if (this.bytes + line.length > this.#maxBytes) throw new SpoolFull(`the spool holds the ${this.#maxBytes} bytes it may`);
    try {
      this.#write(line);
    } catch (cause) {
      throw new SpoolFull('the record could not be written to the spool', { cause });
    }
    this.#flushing ??= setTimeout(() => this.#flush(), this.#flushMs).unref();
    this.#appended.resolve();
  }

  /** Resolves when there is something to take; rejects with the signal's reason. */
  async waitForRecords(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#hasUntaken()) return;
    this.#appended = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await Promise.race([this.#appended.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** The oldest records that nobody has taken; undefined when there are none. The same ones again until they are acknowledged. */
  async next(limits: { readonly records?: number; readonly bytes?: number } = {}): Promise<Batch<T> | undefined> {
    const { records: most = 500, bytes = 768 * 1024 } = limits;
    for (;;) {
      const segment = this.#segments[0];
      if (segment === undefined) return undefined;
      const start = this.#position.segment === segment.number ? this.#position.offset : 0;
      const { size } = segment;
      if (start === size && segment === this.#writing?.segment) return undefined;
      const records: T[] = [];
      const length = Math.min(size - start, Math.max(bytes, maxRecordBytes));
      let end = start;
      let damaged = 0;
      for (const line of linesIn(await this.#read(segment, start, length), start)) {
        end = line.end;
        if (line.record === undefined) damaged += 1;
        else records.push(line.record as T);
        if (records.length === most) break;
      }
      // A line without an end is what the crash of a writer left, or larger than any that was written.
      if (end === start) end = start + length;
      if (records.length > 0) return { records, acknowledge: () => this.#acknowledge(segment, end, damaged) };
      this.#acknowledge(segment, end, damaged);
    }
  }

  /** Forces what was written to disk and closes. */
  async close(): Promise<void> {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    await this.#retire();
  }

  #path(number: number): string {
    return join(this.#dir, `${String(number).padStart(12, '0')}.log`);
  }

  #hasUntaken(): boolean {
    return this.#segments.some(({ number, size }) => size > (number === this.#position.segment ? this.#position.offset : 0));
  }

  #write(line: Buffer): void {
    if (this.#writing !== undefined && this.#writing.segment.size + line.length > this.#segmentBytes) void this.#retire();
    this.#writing ??= this.#begin();
    const { segment, fd } = this.#writing;
    let written = 0;
    try {
      written = writeSync(fd, line);
      if (written === line.length) {
        segment.size += written;
        return;
      }
      throw new Error(`${written} of ${line.length} bytes were written`);
    } catch (error) {
      this.#undo(segment, fd);
      throw error;
    }
  }

  /** Takes back the beginning of a line; where that fails too, the rest of the file is given up, as the reader does. */
  #undo(segment: Segment, fd: number): void {
    try {
      ftruncateSync(fd, segment.size);
    } catch {
      segment.size = statSync(this.#path(segment.number)).size;
      void this.#retire();
    }
  }

  #begin(): { segment: Segment; fd: number } {
    const segment = { number: this.#next, size: 0 };
    const fd = openSync(this.#path(segment.number), 'ax', 0o600);
    this.#next += 1;
    this.#segments.push(segment);
    return { segment, fd };
  }

  /** Ends the file that is written to; the next record begins another. */
  #retire(): Promise<void> {
    const fd = this.#writing?.fd;
    this.#writing = undefined;
    if (fd === undefined) return Promise.resolve();
    return new Promise((resolve) => fdatasync(fd, () => close(fd, () => resolve())));
  }

  #flush(): void {
    this.#flushing = undefined;
    // Files that were ended since were forced to disk then.
    if (this.#writing !== undefined) fdatasync(this.#writing.fd, () => {});
  }

  async #read({ number }: Segment, start: number, length: number): Promise<Buffer> {
    const file = await open(this.#path(number), 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  #acknowledge(segment: Segment, end: number, damaged: number): void {
    if (this.#segments[0] !== segment) return;
    this.#damaged += damaged;
    this.#position = { segment: segment.number, offset: end };
    if (end < segment.size) {
      writePosition(this.#dir, this.#position);
      return;
    }
    if (this.#writing?.segment === segment) void this.#retire();
    this.#segments.shift();
    unlinkSync(this.#path(segment.number));
  }
}

function segmentNumbers(dir: string): number[] {
  return readdirSync(dir)
    .filter((file) => /^\d{12}\.log$/.test(file))
    .map((file) => Number(file.slice(0, 12)))
    .sort((a, b) => a - b);
}
