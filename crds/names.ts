/** Names that everything agrees on: what a tenant may be called, and what its objects are called. */

export const group = 'tenantry.dev';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

export const labels = {
  /** Name of the Tenant an object belongs to. */
  tenant: `${group}/tenant`,
  /** UID of the Tenant an object belongs to: a namesake created later owns none of it. */
  tenantUid: `${group}/tenant-uid`,
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
} as const;

export const annotations = {
  /** `paused` on a Tenant: the operator writes nothing for it but the pods' file of API keys, so that a revoked key ends. */
  reconcile: `${group}/reconcile`,
  /** A time on a Tenant: its secrets are rotated once for each new value. */
  rotate: `${group}/rotate`,
  /** A time on a Tenant: the DNS records of its custom domains are looked up at once for each new value. */
  verifyDomains: `${group}/verify-domains`,
  /** What becomes of a Tenant's data, and when that was said: counts for the deletion that follows, over the policy of the spec. */
  dataOnDeletion: `${group}/data-on-deletion`,
  /** `tenant` on a suspended Tenant: an administrator of the tenant itself has suspended it, and may resume it. */
  suspendedBy: `${group}/suspended-by`,
} as const;

export const finalizers = {
  /** Held by the operator until namespace and database are gone. */
  operator: `${group}/operator`,
  /** Held by the control plane until the OAuth resources are removed. */
  authorization: `${group}/authorization`,
} as const;

/** Names of the ServiceAccount, container, ports and mounted files of a tenant's pod. */
export const pod = {
  serviceAccount: 'tenant',
  apiContainer: 'api',
  sidecarContainer: 'mcp',
  apiPort: 8081,
  sidecarPort: 8001,
  /** Audience of the projected token by which a sidecar shows the control plane who it is. */
  tokenAudience: 'tenantry-control-plane',
} as const;

export const tenantNameMaxLength = 40;
/** RFC 1123 label, starting with a letter, because it becomes a DNS label and part of object names. */
export const tenantNamePattern = '^[a-z]([-a-z0-9]*[a-z0-9])?$';
/** Host names of the installation itself, which a tenant's host must never be. */
export const reservedTenantNames: readonly string[] = [
  'admin',
  'api',
  'auth',
  'console',
  'default',
  'kube-system',
  'system',
  'tenantry',
  'www',
];

export function namespaceOf(tenant: string): string {
  return `tenant-${tenant}`;
}

/** The tenant a namespace is named after, if it is a tenant's namespace. */
export function tenantOfNamespace(namespace: string): string | undefined {
  return namespace.startsWith('tenant-') ? namespace.slice('tenant-'.length) : undefined;
}

/** PostgreSQL identifiers of a tenant's database, from its UID: at most 63 bytes, never reused by a namesake. */
export function databaseNames(uid: string): { database: string; owner: string; login: string } {
  const base = `tenant_${uid.replaceAll('-', '')}`;
  return { database: base, owner: `${base}_owner`, login: `${base}_a` };
}

/** The other of the two roles that log in to a tenant's database: rotation alternates them. */
export function otherLogin(login: string): string {
  return `${login.slice(0, -1)}${login.endsWith('a') ? 'b' : 'a'}`;
}

export interface Endpoints {
  /** Streamable HTTP endpoint of the tenant's MCP server; also the audience its OAuth tokens must carry. */
  readonly mcp: string;
  /** REST API, where the template publishes it. Its own audience. */
  readonly api?: string;
  /** RFC 9728 protected resource metadata of `mcp`. */
  readonly metadata: string;
}

/** Where the installation's tenants are reached. */
export interface Addressing {
  /** `https://mcp.example.com`, perhaps with a path; in host mode the domain below which each tenant has a host. */
  readonly baseUrl: string;
  /** `path`: `<base>/t/<tenant>/mcp`. `host`: `https://<tenant>.<base host>/mcp`. */
  readonly mode: 'path' | 'host';
}

/** Public URLs of a tenant. */
export function endpointsOf(tenant: string, { baseUrl, mode }: Addressing, publishApi: boolean): Endpoints {
  const base = new URL(baseUrl);
  const root =
    mode === 'host' ? `${base.protocol}//${tenant}.${base.host}` : `${base.origin}${base.pathname.replace(/\/+$/, '')}/t/${tenant}`;
  const mcp = `${root}/mcp`;
  return { mcp, ...(publishApi ? { api: `${root}/api` } : {}), metadata: metadataUrl(mcp) };
}

/** RFC 9728 section 3.1: the well-known part goes between host and path of the resource. */
export function metadataUrl(resource: string): string {
  const url = new URL(resource);
  return `${url.origin}/.well-known/oauth-protected-resource${url.pathname === '/' ? '' : url.pathname}`;
}
