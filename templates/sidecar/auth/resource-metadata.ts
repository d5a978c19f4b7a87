import type { Door } from '../../runtime/access.ts';
import type { Settings } from '../settings/settings.ts';
import type { ProtectedResource } from './authorizer.ts';

/** RFC 9728 section 3.1: the well-known part goes between host and path of the resource. */
export function metadataUrlOf(resource: URL): URL {
  return new URL(`/.well-known/oauth-protected-resource${resource.pathname === '/' ? '' : resource.pathname}`, resource.origin);
}

export function protectedResource(url: URL, door: Door): ProtectedResource {
  return { url: href(url), metadataUrl: metadataUrlOf(url).href, door };
}

/** A URL as it was configured: one without a path has no slash at its end. */
function href(url: URL): string {
  return url.pathname === '/' ? url.origin : url.href;
}

/**
 * The document of RFC 9728, from configured URLs alone: what a client sends in Host must not choose its authorization server.
 */
export function resourceMetadata(resource: ProtectedResource, settings: Settings): Record<string, unknown> {
  return {
    resource: resource.url,
    ...(settings.issuer !== undefined && { authorization_servers: [settings.issuer] }),
    bearer_methods_supported: ['header'],
    resource_name: settings.displayName,
  };
}
