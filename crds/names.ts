/** Names that all parts share: rules for tenants' names, and names of their objects. */

export const group = 'tenantry.dev';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

export const labels = {
  /** Name of the Tenant an object belongs to. */
  tenant: `${group}/tenant`,
  /** UID of the Tenant an object belongs to. A later namesake has another UID and owns none of the objects. */
  tenantUid: `${group}/tenant-uid`,
  managedBy: 'app.kubernetes.io/managed-by',
  name: 'app.kubernetes.io/name',
  instance: 'app.kubernetes.io/instance',
  component: 'app.kubernetes.io/component',
} as const;

export const annotations = {
  /** `paused` on a Tenant: the operator writes only the pods' file of API keys, so that revoked keys stop working. */
  reconcile: `${group}/reconcile`,
  /** A time on a Tenant. For each new value the operator rotates its secrets once. */
  rotate: `${group}/rotate`,
  /** A time on a Tenant. For each new value the operator looks up the DNS records of its custom domains at once. */
  verifyDomains: `${group}/verify-domains`,
  /** The choice for a Tenant's data and the time of the choice. It overrides the policy of the spec for the deletion that follows. */
  dataOnDeletion: `${group}/data-on-deletion`,
  /** `tenant` on a suspended Tenant: one of the tenant's own administrators has suspended it, and they may resume it. */
  suspendedBy: `${group}/suspended-by`,
} as const;

export const finalizers = {
  /** Finalizer that the operator removes once the namespace and the database are gone. */
  operator: `${group}/operator`,
  /** Finalizer that the control plane removes once the OAuth resources are removed. */
  authorization: `${group}/authorization`,
} as const;

/** Names of the ServiceAccount, container, ports and mounted files of a tenant's pod. */
export const pod = {
  serviceAccount: 'tenant',
  apiContainer: 'api',
  sidecarContainer: 'mcp',
  apiPort: 8081,
  sidecarPort: 8001,
  /** Audience of the projected token with which a sidecar authenticates to the control plane. */
  tokenAudience: 'tenantry-control-plane',
} as const;

export const tenantNameMaxLength = 40;
/** RFC 1123 label that starts with a letter, because it becomes a DNS label and part of object names. */
export const tenantNamePattern = '^[a-z]([-a-z0-9]*[a-z0-9])?$';
/** Host names of the installation itself. A tenant must not take one of them. */
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

/** The tenant of a tenant's namespace; undefined for any other namespace. */
export function tenantOfNamespace(namespace: string): string | undefined {
  return namespace.startsWith('tenant-') ? namespace.slice('tenant-'.length) : undefined;
}

/** PostgreSQL identifiers of a tenant's database, derived from its UID. They have at most 63 bytes, and a namesake never reuses them. */
export function databaseNames(uid: string): { database: string; owner: string; login: string } {
  const base = `tenant_${uid.replaceAll('-', '')}`;
  return { database: base, owner: `${base}_owner`, login: `${base}_a` };
}

/** The other of a tenant's two login roles. Rotations alternate them. */
export function otherLogin(login: string): string {
  return `${login.slice(0, -1)}${login.endsWith('a') ? 'b' : 'a'}`;
}

export interface Endpoints {
  /** Streamable HTTP endpoint of the tenant's MCP server; also the required audience of its OAuth tokens. */
  readonly mcp: string;
  /** REST API, if the template publishes it; also the required audience of its OAuth tokens. */
  readonly api?: string;
  /** RFC 9728 protected resource metadata of `mcp`. */
  readonly metadata: string;
}

/** Public addresses of the installation's tenants. */
export interface Addressing {
  /** `https://mcp.example.com`, optionally with a path. In host mode, each tenant has a host below its domain. */
  readonly baseUrl: string;
  /** `path`: `<base>/t/<tenant>/mcp`. `host`: `https://<tenant>.<base host>/mcp`. */
  readonly mode: 'path' | 'host';
}

/** Public URLs of a tenant, in path or host mode. */
export function endpointsOf(tenant: string, { baseUrl, mode }: Addressing, publishApi: boolean): Endpoints {
  const base = new URL(baseUrl);
  const root =
    mode === 'host' ? `${base.protocol}//${tenant}.${base.host}` : `${base.origin}${base.pathname.replace(/\/+$/, '')}/t/${tenant}`;
  const mcp = `${root}/mcp`;
  return { mcp, ...(publishApi ? { api: `${root}/api` } : {}), metadata: metadataUrl(mcp) };
}

/** URL of the metadata of a resource. The well-known part goes between its host and its path (RFC 9728 section 3.1). */
export function metadataUrl(resource: string): string {
  const url = new URL(resource);
  return `${url.origin}/.well-known/oauth-protected-resource${url.pathname === '/' ? '' : url.pathname}`;
}
