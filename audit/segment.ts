import { crc32 } from 'node:zlib';

/** A line of a segment: the CRC-32 of the JSON in eight hexadecimal digits, a space, the record as JSON, a line feed. */
export function lineOf(record: unknown): Buffer {
  const json = JSON.stringify(record);
  return Buffer.from(`${crc32(json).toString(16).padStart(8, '0')} ${json}\n`);
}

export interface Line {
  /** Offset of the byte after the line. */
  readonly end: number;
  /** Undefined for a damaged line. */
  readonly record: unknown;
}

/** The complete lines in `bytes`, which begin at `offset` of the file. A last line without its line feed is left out. */
export function* linesIn(bytes: Buffer, offset = 0): Generator<Line> {
  for (let start = 0; ; ) {
    const feed = bytes.indexOf(0x0a, start);
    if (feed === -1) return;
    yield { end: offset + feed + 1, record: recordIn(bytes.subarray(start, feed)) };
    start = feed + 1;
  }
}

function recordIn(line: Buffer): unknown {
  if (line.length < 10 || line[8] !== 0x20) return undefined;
  const json = line.subarray(9);
  if (Number.parseInt(line.subarray(0, 8).toString('latin1'), 16) !== crc32(json)) return undefined;
  try {
    return JSON.parse(json.toString('utf8'));
  } catch {
    return undefined;
  }
}
