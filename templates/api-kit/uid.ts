import { randomBytes } from 'node:crypto';

/**
 * Makes UUIDs of version 7 (RFC 9562): 48 bits of milliseconds, then a counter and random bits, so that the ids of one process
 * sort in the order they were made, even within a millisecond and when the clock steps back.
 */
export class UidGenerator {
  readonly #now: () => number;
  #milliseconds = 0;
  #counter = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  next(): string {
    const now = this.#now();
    if (now > this.#milliseconds) {
      this.#milliseconds = now;
      this.#counter = 0;
    } else if (++this.#counter > 0xfff) {
      this.#milliseconds++;
      this.#counter = 0;
    }
    const bytes = randomBytes(16);
    bytes.writeUIntBE(this.#milliseconds, 0, 6);
    bytes.writeUInt16BE(0x7000 | this.#counter, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    const hex = bytes.toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }
}
