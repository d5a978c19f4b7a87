import type { Addressing } from '../../crds/names.ts';
import type { Tenant } from '../../crds/tenant.ts';
import type { RegisteredResource } from '../identity/provider.ts';
import { registrationsOf, urlsOf } from './plan.ts';

/** Registered URLs with the form of a tenant's URL, but without a tenant. They remain when somebody removes a tenant's finalizer by force. */
export function unclaimed(
  present: readonly RegisteredResource[],
  tenants: readonly Tenant[],
  addressing: Addressing,
): RegisteredResource[] {
  const urls = new Set(tenants.flatMap(urlsOf));
  const ids = new Set(tenants.flatMap((tenant) => registrationsOf(tenant).map(({ id }) => id)));
  return present.filter(({ id, uri }) => !urls.has(uri) && !ids.has(id) && isTenantUrl(uri, addressing));
}

/** Whether the URL has the form of a tenant's URL in this installation: see endpointsOf in crds/names.ts. */
function isTenantUrl(uri: string, { baseUrl, mode }: Addressing): boolean {
  const url = URL.parse(uri);
  const base = URL.parse(baseUrl);
  if (url === null || base === null || url.protocol !== base.protocol || url.search !== '') return false;
  if (mode === 'host') return url.host.endsWith(`.${base.host}`) && /^\/(mcp|api)$/.test(url.pathname);
  const below = `${base.pathname.replace(/\/+$/, '')}/t/`;
  return url.host === base.host && url.pathname.startsWith(below) && /^[^/]+\/(mcp|api)$/.test(url.pathname.slice(below.length));
}
