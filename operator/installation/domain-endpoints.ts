import { type Addressing, type Endpoints, metadataUrl } from '../../crds/names.ts';

/** Origin of a custom domain, with the protocol and port of the installation. */
export function originOf(domain: string, { baseUrl }: Addressing): string {
  const { protocol, port } = new URL(baseUrl);
  return `${protocol}//${domain}${port === '' ? '' : `:${port}`}`;
}

/** Public URLs of a tenant below one of its custom domains. No other tenant shares the domain. */
export function endpointsAt(origin: string, publishApi: boolean): Endpoints {
  const mcp = `${origin}/mcp`;
  return { mcp, ...(publishApi ? { api: `${origin}/api` } : {}), metadata: metadataUrl(mcp) };
}

/** Whether the host name is the installation's own or below it. In host mode such a name could belong to another tenant. */
export function isInstallations(domain: string, { baseUrl }: Addressing): boolean {
  const { hostname } = new URL(baseUrl);
  return domain === hostname || domain.endsWith(`.${hostname}`);
}
