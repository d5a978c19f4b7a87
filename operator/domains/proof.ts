import { Resolver } from 'node:dns/promises';
import { domainProof } from '../../crds/domains.ts';

/** Result of a DNS look-up. */
export type Proof = 'proved' | 'missing' | 'other' | { readonly unanswered: string };

/** Looks up the record that proves a tenant's ownership of a host name. Rejects only with the reason of `signal`. */
export type LookUp = (tenantUid: string, domain: string, signal: AbortSignal) => Promise<Proof>;

/** Asks `servers` (`address:port`), or the machine's own DNS servers when the list is empty. */
export function lookUpAt(servers: readonly string[]): LookUp {
  return async (tenantUid, domain, signal) => {
    const resolver = new Resolver({ timeout: 3_000, tries: 2 });
    if (servers.length > 0) resolver.setServers(servers);
    const { name, value } = domainProof(tenantUid, domain);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      // A text longer than 255 bytes arrives in pieces.
      const texts = (await resolver.resolveTxt(name)).map((pieces) => pieces.join(''));
      return texts.some((text) => text.trim() === value) ? 'proved' : 'other';
    } catch (error) {
      signal.throwIfAborted();
      const code = String((error as { code?: unknown }).code ?? 'no answer');
      return code === 'ENOTFOUND' || code === 'ENODATA' ? 'missing' : { unanswered: code };
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}
