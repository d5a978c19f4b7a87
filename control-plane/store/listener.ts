import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { backoffMs } from '../../net/backoff.ts';

/** Interval and time limit of the connection checks, in milliseconds. */
const checkMs = 5_000;
const answerMs = 3_000;
const backoff = { firstMs: 200, maxMs: 5_000 };

type Receive = (payload: string) => void;

/**
 * Receives PostgreSQL's notifications over its own connection, and reconnects when the connection is lost. Notifications in between are lost,
 * so every listener is notified of the gap after it: https://www.postgresql.org/docs/current/sql-notify.html
 */
export class Listener {
  readonly #url: string;
  readonly #log: Logger;
  readonly #receivers = new Map<string, Receive[]>();
  readonly #gaps: (() => void)[] = [];
  #connected = false;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  /** Whether the connection receives notifications now. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Call it before `run`. `onGap` is called whenever notifications may have been missed. */
  on(channel: string, receive: Receive, onGap: () => void): void {
    this.#receivers.set(channel, [...(this.#receivers.get(channel) ?? []), receive]);
    this.#gaps.push(onGap);
  }

  /** Listens until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#session(signal, () => {
          failures = 0;
        });
      } catch (err) {
        if (!signal.aborted) this.#log.warn({ err }, 'database notifications interrupted');
      }
      // Reported at the end of the gap. Until then no newer answers are available, and cached answers are valid for their lifetime.
      this.#connected = false;
      const pause = backoffMs(backoff, failures + 1) * (0.5 + Math.random() / 2);
      if (!signal.aborted) await delay(pause, undefined, { signal }).catch(() => {});
    }
  }

  async #session(signal: AbortSignal, onConnected: () => void): Promise<void> {
    const socket = new Socket();
    const connection = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      keepAlive: true,
      application_name: 'tenantry-control-plane-listener',
      stream: () => socket,
    });
    const ended = new AbortController();
    let cause: Error | undefined;
    connection.on('error', (error) => {
      cause = error;
      ended.abort();
    });
    connection.on('end', () => ended.abort());
    connection.on('notification', ({ channel, payload }) => {
      for (const receive of this.#receivers.get(channel) ?? []) receive(payload ?? '');
    });
    try {
      await connection.connect();
      for (const channel of this.#receivers.keys()) await connection.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      // Notifications between the last session and this one are lost.
      this.#notifyOfGap();
      this.#connected = true;
      onConnected();
      const either = AbortSignal.any([signal, ended.signal]);
      while (!either.aborted) {
        await delay(checkMs, undefined, { signal: either }).catch(() => {});
        if (!either.aborted) await connection.query('SELECT 1');
      }
      if (cause !== undefined) throw cause;
    } finally {
      // The end of the connection is announced to the server, but not awaited: a server that hangs never confirms it.
      connection.end().catch(() => {});
      socket.destroySoon();
    }
  }

  #notifyOfGap(): void {
    for (const notify of this.#gaps) notify();
  }
}
