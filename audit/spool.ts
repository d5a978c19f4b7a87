import { close, fdatasync, ftruncateSync, mkdirSync, openSync, readdirSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { lineOf, linesIn } from './segment.ts';
import { type Position, readPosition, writePosition } from './spool-position.ts';

/** The spool or its disk is full. The record was not written. */
export class SpoolFull extends Error {
  override readonly name = 'SpoolFull';
}

/** The record exceeds 64 KiB. It was not written. */
export class RecordTooLarge extends Error {
  override readonly name = 'RecordTooLarge';
}

export interface SpoolOptions {
  /** Folder of this process alone. It is created if it is missing. */
  readonly dir: string;
  /** Most bytes on disk; 48 MiB when left out. */
  readonly maxBytes?: number;
  /** Size of a segment file. */
  readonly segmentBytes?: number;
  /** Milliseconds until written records are forced to disk. A crash of the machine loses at most the records of this time. */
  readonly flushMs?: number;
}

/** Records to send, oldest first. */
export interface Batch<T> {
  readonly records: readonly T[];
  /** Marks the records as sent. */
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
 * Keeps records on disk until they are sent. `append` returns after the record is written, so a killed process loses no record; a
 * crashed machine loses at most the records of the last `flushMs`. After a crash a record may be returned again, with the same id.
 * There is one writer and one reader, both in this process. Memory holds only offsets.
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

  /** Continues with the records of an earlier process. @throws Error of node:fs when the folder cannot be used. */
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
      // A crash of the machine can lose the end of a segment and keep the position.
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

  /** Damaged lines that were skipped. More than 0 means that the files were damaged. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Whether to refuse new work: the last eighth of the spool is reserved for records of work that has already started. */
  get full(): boolean {
    return this.bytes > this.#maxBytes - this.#maxBytes / 8;
  }

  /** Writes a record. @throws SpoolFull; RecordTooLarge above 64 KiB. */
  append(record: T): void {
    const line = lineOf(record);
    if (line.length > maxRecordBytes) throw new RecordTooLarge(`the record has ${line.length} bytes; the limit is ${maxRecordBytes}`);
    if (this.bytes + line.length > this.#maxBytes) throw new SpoolFull(`the spool has reached its limit of ${this.#maxBytes} bytes`);
    try {
      this.#write(line);
    } catch (cause) {
      throw new SpoolFull('the record could not be written to the spool', { cause });
    }
    this.#flushing ??= setTimeout(() => this.#flush(), this.#flushMs).unref();
    this.#appended.resolve();
  }

  /** Resolves when there is an unsent record; rejects with the signal's reason. */
  async waitForRecords(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#hasUnsent()) return;
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

  /** The oldest unsent records; undefined when there are none. Returns the same records until they are acknowledged. */
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
      // A line without an end comes from a crashed writer, or is longer than any written line.
      if (end === start) end = start + length;
      if (records.length > 0) return { records, acknowledge: () => this.#acknowledge(segment, end, damaged) };
      this.#acknowledge(segment, end, damaged);
    }
  }

  /** Forces written records to disk and closes the files. */
  async close(): Promise<void> {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    await this.#retire();
  }

  #path(number: number): string {
    return join(this.#dir, `${String(number).padStart(12, '0')}.log`);
  }

  #hasUnsent(): boolean {
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

  /** Removes an incomplete line. If that fails too, the segment ends here; the reader skips the incomplete line. */
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

  /** Ends the current segment. The next record begins another one. */
  #retire(): Promise<void> {
    const fd = this.#writing?.fd;
    this.#writing = undefined;
    if (fd === undefined) return Promise.resolve();
    return new Promise((resolve) => fdatasync(fd, () => close(fd, () => resolve())));
  }

  #flush(): void {
    this.#flushing = undefined;
    // Ended segments are already on disk.
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
