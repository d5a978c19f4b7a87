import { type Addressing, type Endpoints, metadataUrl } from '../../crds/names.ts';

/** Where a custom domain is reached: by the protocol and port of the installation itself. */
export function originOf(domain: string, { baseUrl }: Addressing): string {
  const { protocol, port } = new URL(baseUrl);
  return `${protocol}//${domain}${port === '' ? '' : `:${port}`}`;
}

/** Public URLs of a tenant below one of its custom domains, which it has for itself. */
export function endpointsAt(origin: string, publishApi: boolean): Endpoints {
  const mcp = `${origin}/mcp`;
  return { mcp, ...(publishApi ? { api: `${origin}/api` } : {}), metadata: metadataUrl(mcp) };
}

/** Whether the host name is the installation's own or below it: in host mode it could be another tenant's. */
export function isInstallations(domain: string, { baseUrl }: Addressing): boolean {
  const { hostname } = new URL(baseUrl);
  return domain === hostname || domain.endsWith(`.${hostname}`);
}
