import { randomInt } from 'node:crypto';
import { tryListen } from '../machine/ports.ts';

/** Addresses from 127.1.0.0 to 127.254.255.255. Other programs rarely use them. */
const first = 0x7f_01_00_00;
const last = 0x7f_fe_ff_ff;

export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}

export function parseAddress(address: string): number {
  return address.split('.').reduce((value, part) => value * 256 + Number(part), 0);
}

/**
 * Gives each pod its own loopback address, so that all pods can listen on the same ports. On Linux all of 127/8 is loopback. Addresses
 * are assigned in order, so a freed address stays unused for long, and a client with an old address does not reach another pod.
 */
export class Addresses {
  readonly #used = new Set<number>();
  #next: number;

  /** Starts at a random address, because other checkouts on this machine use the same range. */
  constructor(start = randomInt(first, last + 1)) {
    this.#next = start;
  }

  /**
   * Takes an address on which all `ports` are free.
   * @throws Error that names the port that another program uses on every address.
   */
  async take(ports: readonly number[]): Promise<string> {
    let reason = '';
    for (let attempt = 0; attempt < 20; attempt++) {
      const value = this.#advance();
      const address = formatAddress(value);
      this.#used.add(value);
      try {
        for (const port of ports.length > 0 ? ports : [0]) {
          reason = `port ${port}`;
          await tryListen(port, address);
        }
        return address;
      } catch (error) {
        this.#used.delete(value);
        reason = `${reason} cannot be listened on at ${address} (${(error as NodeJS.ErrnoException).code ?? 'refused'})`;
      }
    }
    throw new Error(`no free address for the pod: ${reason}. Is another program listening on that port on all addresses?`);
  }

  release(address: string): void {
    this.#used.delete(parseAddress(address));
  }

  #advance(): number {
    do {
      this.#next = this.#next >= last ? first : this.#next + 1;
    } while (this.#used.has(this.#next) || (this.#next & 0xff) === 0 || (this.#next & 0xff) === 0xff);
    return this.#next;
  }
}
