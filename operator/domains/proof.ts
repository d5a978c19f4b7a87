import { Resolver } from 'node:dns/promises';
import { domainProof } from '../../crds/domains.ts';

/** What a look at the DNS said. */
export type Proof = 'proved' | 'missing' | 'other' | { readonly unanswered: string };

/** Looks up the record by which a tenant proves that a host name is its own. Never rejects but with the reason of `signal`. */
export type LookUp = (tenantUid: string, domain: string, signal: AbortSignal) => Promise<Proof>;

/** Asks `servers` (`address:port`), or those of the machine where there are none. */
export function lookUpAt(servers: readonly string[]): LookUp {
  return async (tenantUid, domain, signal) => {
    const resolver = new Resolver({ timeout: 3_000, tries: 2 });
    if (servers.length > 0) resolver.setServers(servers);
    const { name, value } = domainProof(tenantUid, domain);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      // A text longer than 255 bytes comes in pieces.
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
