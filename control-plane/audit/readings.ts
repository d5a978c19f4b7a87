import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../http/problem.ts';

export interface ReadingLimits {
  /** Readings of whole chains that one organization may have at this replica at a time. */
  readonly perOrganization: number;
  /** Of all organizations together. */
  readonly inAll: number;
  /** Milliseconds in which a reader must have taken what was sent to it. */
  readonly stallMs: number;
}

export const readingLimits: ReadingLimits = { perOrganization: 2, inAll: 8, stallMs: 30_000 };

/** Readings of whole chains: each may go on for minutes, so whoever does not read must not be in the way of others. */
export class Readings {
  readonly #limits: ReadingLimits;
  readonly #underWay = new Map<string, number>();

  constructor(limits: ReadingLimits) {
    this.#limits = limits;
  }

  /** Begins one, to be ended by whoever has it. @throws Problem too-many-requests */
  begin({ raw: { socket } }: FastifyRequest, organizationId: string): Reading {
    const { perOrganization, inAll, stallMs } = this.#limits;
    const own = this.#underWay.get(organizationId) ?? 0;
    const all = [...this.#underWay.values()].reduce((sum, count) => sum + count, 0);
    if (own >= perOrganization) throw tooMany('Other verifications and exports of yours are under way.');
    if (all >= inAll) throw tooMany('As many verifications and exports are under way as there may be.');
    this.#underWay.set(organizationId, own + 1);
    return new Reading(socket, stallMs, () => {
      const left = (this.#underWay.get(organizationId) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(organizationId);
      else this.#underWay.set(organizationId, left);
    });
  }
}

/** A verification or an export under way. */
export class Reading {
  readonly #gone = new AbortController();
  readonly #socket: Socket;
  readonly #stallMs: number;
  readonly #ended: () => void;
  readonly #abort = () => this.#gone.abort(new Error('the caller has gone'));
  #isOver = false;

  constructor(socket: Socket, stallMs: number, ended: () => void) {
    this.#socket = socket;
    this.#stallMs = stallMs;
    this.#ended = ended;
    socket.once('close', this.#abort);
  }

  /** Aborts when the caller has gone, or does not take what it is sent. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /** Lines as a stream, with whose end the reading ends; it fails when a piece is not taken in time. */
  stream(lines: AsyncIterable<string>): Readable {
    const stream = Readable.from(this.#inPieces(lines), { objectMode: false, highWaterMark: pieceLength });
    this.signal.addEventListener('abort', () => stream.destroy(this.signal.reason as Error), { once: true });
    stream.once('close', () => this.end());
    return stream;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.off('close', this.#abort);
    this.#ended();
  }

  async *#inPieces(lines: AsyncIterable<string>): AsyncGenerator<string> {
    let piece = '';
    for await (const line of lines) {
      piece += line;
      if (piece.length < pieceLength) continue;
      const stalled = setTimeout(() => this.#gone.abort(new Error('the caller does not take what it is sent')), this.#stallMs);
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
  return new Problem('too-many-requests', `${detail} Try again when one of them is done.`, { headers: { 'retry-after': '10' } });
}
