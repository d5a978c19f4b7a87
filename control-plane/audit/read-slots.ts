import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../../problems/problem.ts';

export interface ReadLimits {
  /** Verifications and exports of one organization at a time, at this replica. */
  readonly perOrganization: number;
  /** Verifications and exports of all organizations at a time, at this replica. */
  readonly total: number;
  /** Milliseconds within which the caller must read a piece of an export. */
  readonly stallMs: number;
}

export const readLimits: ReadLimits = { perOrganization: 2, total: 8, stallMs: 30_000 };

/** Limits verifications and exports, which read whole chains and may take minutes. A caller that does not read loses its slot. */
export class ReadSlots {
  readonly #limits: ReadLimits;
  readonly #taken = new Map<string, number>();

  constructor(limits: ReadLimits) {
    this.#limits = limits;
  }

  /** Takes a slot; the caller releases it. @throws Problem too-many-requests */
  acquire({ raw: { socket } }: FastifyRequest, organizationId: string): ReadSlot {
    const { perOrganization, total, stallMs } = this.#limits;
    const own = this.#taken.get(organizationId) ?? 0;
    const all = [...this.#taken.values()].reduce((sum, count) => sum + count, 0);
    if (own >= perOrganization) throw tooMany(`Your organization already runs ${own} verifications or exports.`);
    if (all >= total) throw tooMany(`This replica already runs ${all} verifications or exports.`);
    this.#taken.set(organizationId, own + 1);
    return new ReadSlot(socket, stallMs, () => {
      const left = (this.#taken.get(organizationId) ?? 1) - 1;
      if (left === 0) this.#taken.delete(organizationId);
      else this.#taken.set(organizationId, left);
    });
  }
}

/** The right to run one verification or export. */
export class ReadSlot {
  readonly #aborted = new AbortController();
  readonly #socket: Socket;
  readonly #stallMs: number;
  readonly #onRelease: () => void;
  readonly #abort = () => this.#aborted.abort(new Error('the caller closed the connection'));
  #released = false;

  constructor(socket: Socket, stallMs: number, onRelease: () => void) {
    this.#socket = socket;
    this.#stallMs = stallMs;
    this.#onRelease = onRelease;
    socket.once('close', this.#abort);
  }

  /** Aborts when the caller closes the connection or does not read. */
  get signal(): AbortSignal {
    return this.#aborted.signal;
  }

  /** Returns lines as a stream, whose end releases the slot. The stream fails when the caller does not read a piece in time. */
  stream(lines: AsyncIterable<string>): Readable {
    const stream = Readable.from(this.#inPieces(lines), { objectMode: false, highWaterMark: pieceLength });
    this.signal.addEventListener('abort', () => stream.destroy(this.signal.reason as Error), { once: true });
    stream.once('close', () => this.release());
    return stream;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#socket.off('close', this.#abort);
    this.#onRelease();
  }

  async *#inPieces(lines: AsyncIterable<string>): AsyncGenerator<string> {
    let piece = '';
    for await (const line of lines) {
      piece += line;
      if (piece.length < pieceLength) continue;
      const stalled = setTimeout(() => this.#aborted.abort(new Error('the caller does not read the export')), this.#stallMs);
      try {
        yield piece;
      } finally {
        clearTimeout(stalled);
      }
      piece = '';
    }
    if (piece !== '') yield piece;
  }
}

const pieceLength = 64 * 1024;

function tooMany(detail: string): Problem {
  return new Problem('too-many-requests', detail, {
    remedy: 'Repeat the request when one of them is done.',
    headers: { 'retry-after': '10' },
  });
}
