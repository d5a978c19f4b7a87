import { Refusal } from './refusal.ts';

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const loopback = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Refuses what a web page could send by DNS rebinding: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning
 * A browser always names the page in Origin and the name it dialled in Host, so both must be ours.
 */
export class RequestGuard {
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  readonly #local: boolean;

  /**
   * @param urls Public URLs of the tenant.
   * @param ownAddress Address the process listens on, which routers may put into Host.
   */
  constructor(urls: readonly URL[], ownAddress: string) {
    this.#origins = new Set(urls.map((url) => url.origin));
    this.#hosts = new Set([...urls.map((url) => url.hostname), ownAddress.includes(':') ? `[${ownAddress}]` : ownAddress]);
    this.#local = urls.some((url) => loopback.has(url.hostname));
  }

  /** @throws {Refusal} host or origin. */
  check(headers: Headers): void {
    const host = hostOf(typeof headers['host'] === 'string' ? headers['host'] : undefined);
    if (host === undefined || !(this.#hosts.has(host) || (this.#local && loopback.has(host)))) {
      throw new Refusal('host', 'The Host header names none of the hosts of this tenant.');
    }
    const { origin } = headers;
    if (origin === undefined) return;
    const page = typeof origin === 'string' ? parse(origin) : undefined;
    if (page === undefined || !(this.#origins.has(page.origin) || (this.#local && isLocalPage(page)))) {
      throw new Refusal('origin', 'Pages of this origin may not call this tenant.');
    }
  }
}

/** The name in a Host header, as URLs write it; undefined where there is none. */
export function hostOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : parse(`http://${header}`)?.hostname;
}

function isLocalPage(page: URL): boolean {
  return /^https?:$/.test(page.protocol) && loopback.has(page.hostname);
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
