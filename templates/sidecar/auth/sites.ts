import { hostOf } from '../http/request-guard.ts';
import type { Settings } from '../settings/settings.ts';
import type { ProtectedResource } from './authorizer.ts';
import { protectedResource, resourceMetadata } from './resource-metadata.ts';

/** A resource with where it is served and the metadata document clients read about it. */
export interface ServedResource extends ProtectedResource {
  readonly path: string;
  readonly metadataPath: string;
  readonly metadata: unknown;
}

/** What one host of the tenant serves: each URL is a resource of its own, and a token for one opens no other. */
export interface Site {
  readonly mcp: ServedResource;
  /** Undefined where the template does not publish the API. */
  readonly api: ServedResource | undefined;
}

/** The tenant's own address and its custom domains. */
export class Sites {
  readonly #main: Site;
  readonly #byHost: ReadonlyMap<string, Site>;

  constructor(settings: Settings) {
    const { mcpUrl, apiUrl, domains } = settings;
    const site = (mcp: URL, api: URL | undefined): Site => ({
      mcp: served(mcp, protectedResource(mcp, 'mcp'), settings),
      api: api && served(api, protectedResource(api, 'api'), settings),
    });
    this.#main = site(mcpUrl, apiUrl);
    this.#byHost = new Map(domains.map((origin) => [origin.hostname, site(new URL('/mcp', origin), apiUrl && new URL('/api', origin))]));
  }

  /** The site that a Host header names, among the configured ones; for any other host the main one, whose guard then decides. */
  at(host: string | undefined): Site {
    return this.#byHost.get(hostOf(host) ?? '') ?? this.#main;
  }
}

function served(url: URL, resource: ProtectedResource, settings: Settings): ServedResource {
  return {
    ...resource,
    path: url.pathname.replace(/(.)\/+$/, '$1'),
    metadataPath: new URL(resource.metadataUrl).pathname,
    metadata: resourceMetadata(resource, settings),
  };
}
