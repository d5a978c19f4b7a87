import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import type { Settings } from './settings.ts';

/**
 * `fetch` for the tenants' public URLs. Name and certificate are always those of the URL; only where it connects to can be set, for
 * gateways whose public address cannot be reached from inside, and whom it trusts.
 */
export function publicFetch({ address, caFile }: Settings['verify']): typeof globalThis.fetch {
  if (address === undefined && caFile === undefined) return globalThis.fetch;
  const connect = buildConnector({
    timeout: 5_000,
    ...(caFile === undefined ? {} : { ca: [...getCACertificates('default'), readFileSync(caFile, 'utf8')] }),
  });
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
