import { causeOf } from '../cause.ts';
import { broken, type Link, notChecked, ok } from '../link.ts';

export interface Metadata {
  readonly resource: unknown;
  readonly servers: readonly string[];
}

/** The fields of an RFC 9728 document that clients need; undefined if the text is not one. */
export function readMetadata(text: string): Metadata | undefined {
  try {
    const document = JSON.parse(text) as { resource?: unknown; authorization_servers?: unknown } | null;
    if (typeof document !== 'object' || document === null) return undefined;
    const servers = Array.isArray(document.authorization_servers)
      ? document.authorization_servers.filter((server) => typeof server === 'string')
      : [];
    return { resource: document.resource, servers };
  } catch {
    return undefined;
  }
}

export const sameIssuer = (a: string, b: string): boolean => a.replace(/\/+$/, '') === b.replace(/\/+$/, '');

/** Checks that the metadata names this exact URL and an authorization server that answers. */
export const metadataLink: Link = {
  name: 'metadata',
  needs: ['dns', 'tcp', 'tls', 'route', 'pod'],
  async check({ outside, tenant, controlPlane, commands, signal }) {
    if (outside === undefined) return notChecked('the tenant has no URL yet');
    const { metadataUrl } = outside;
    const answer = await outside.metadata();
    const pods = 'The tenant’s sidecar serves it: look at its log, and that no proxy in between answers for it.';
    const looking = tenant === undefined ? [] : [commands.sidecarLog(tenant.name)];
    if (answer.status !== 200) return broken(`${metadataUrl} answered ${answer.status} instead of 200`, pods, [], looking);
    const metadata = readMetadata(answer.text);
    if (metadata === undefined) return broken(`${metadataUrl} is no JSON object`, pods, [], looking);
    const seen = [`resource ${String(metadata.resource)}`, `authorization server ${metadata.servers.join(', ') || 'none'}`];
    if (metadata.resource !== outside.url.href)
      return broken(
        `the metadata is for ${String(metadata.resource)}, not for ${outside.url.href}: clients refuse it`,
        'Use the URL that the tenant has, or correct the installation’s base URL so that it is the one clients use.',
        seen,
        tenant === undefined ? [] : [commands.tenantry('tenants', 'get', tenant.name)],
      );
    const [server] = metadata.servers;
    if (server === undefined)
      return broken(
        'the metadata names no authorization server',
        'Set the OAuth issuer of the installation: workos.oauthIssuer in its Helm values.',
        seen,
      );
    const expected = await controlPlane.issuer();
    if (expected !== undefined && !metadata.servers.some((one) => sameIssuer(one, expected)))
      return broken(
        `the control plane’s OAuth issuer is ${expected}`,
        'Operator and control plane must have the same workos.oauthIssuer; upgrade the Helm release.',
        seen,
      );
    const document = `${server.replace(/\/+$/, '')}/.well-known/oauth-authorization-server`;
    const trouble = await authorizationServerTrouble(document, server, signal);
    if (trouble !== undefined)
      return broken(
        `${document}: ${trouble}`,
        'Without this authorization server nobody can sign in: look at AuthKit’s domain (workos.oauthIssuer) and at the way from here to it. API keys work on.',
        seen,
        [commands.fetch(document)],
      );
    return ok(...seen, `${document} answers`);
  },
};

async function authorizationServerTrouble(url: string, issuer: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(10_000)]) });
    if (!response.ok) {
      await response.body?.cancel();
      return `answered ${response.status}`;
    }
    const { issuer: named } = (await response.json()) as { issuer?: unknown };
    return typeof named === 'string' && sameIssuer(named, issuer) ? undefined : `names the issuer ${String(named)}`;
  } catch (error) {
    signal.throwIfAborted();
    return causeOf(error);
  }
}
