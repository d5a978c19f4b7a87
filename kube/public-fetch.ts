import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';

/** How public URLs are reached where their own address or certificate will not do. */
export interface Dialling {
  /** Connected to instead of the URL's host and port; name and certificate stay those of the URL. */
  readonly address: { readonly host: string; readonly port: number } | undefined;
  /** PEM file of certificates to trust besides those of Node. */
  readonly caFile: string | undefined;
}

/**
 * `fetch` for tenants' public URLs. Name and certificate are always those of the URL; only where it connects to can be set, for gateways whose
 * public address cannot be reached from here, and whom it trusts.
 */
export function publicFetch({ address, caFile }: Dialling, connectTimeoutMs: number): typeof globalThis.fetch {
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

/** Certificates that are trusted: Node's, and those of the file. */
export function trustedWith(caFile: string): string[] {
  return [...getCACertificates('default'), readFileSync(caFile, 'utf8')];
}
