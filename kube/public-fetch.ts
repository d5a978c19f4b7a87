import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';

/** Overrides for reaching public URLs whose own address or certificate does not work from here. */
export interface DialOptions {
  /** Address to connect to instead of the URL's host and port. SNI and certificate checks still use the URL's host. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** PEM file of certificates to trust in addition to Node's. */
  readonly caFile: string | undefined;
}

/**
 * `fetch` for tenants' public URLs. The address to connect to and the trusted certificates can be set, for gateways whose public address
 * cannot be reached from here. Host name and certificate checks always use the URL's host.
 */
export function publicFetch({ address, caFile }: DialOptions, connectTimeoutMs: number): typeof globalThis.fetch {
  if (address === undefined && caFile === undefined) return globalThis.fetch;
  const connect = buildConnector({ timeout: connectTimeoutMs, ...(caFile === undefined ? {} : { ca: trustedWith(caFile) }) });
  const dispatcher = new Agent({
    allowH2: false,
    connect: (options, callback) => {
      const elsewhere = address && {
        hostname: address.host,
        port: String(address.port),
        servername: options.servername ?? options.hostname,
      };
      connect({ ...options, ...elsewhere }, callback);
    },
  });
  return ((input: string | URL, init: object) => undiciFetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
}

/** The certificates that Node trusts and those of the file. */
export function trustedWith(caFile: string): string[] {
  return [...getCACertificates('default'), readFileSync(caFile, 'utf8')];
}
