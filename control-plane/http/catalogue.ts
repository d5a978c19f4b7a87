interface Entry {
  readonly status: number;
  readonly title: string;
  /** Seconds after which a client may try again. */
  readonly retryAfter?: number;
}

/** Every error the API answers with, by code. Codes are API: clients match on `type`, so one is only ever added. */
export const catalogue = {
  'malformed-request': { status: 400, title: 'The request could not be read' },
  'invalid-query': { status: 400, title: 'The query does not fit' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'webhook-refused': { status: 400, title: 'The webhook is not signed as it should be' },
  unauthenticated: { status: 401, title: 'A valid token is required' },
  forbidden: { status: 403, title: 'The token lacks a permission' },
  'route-not-found': { status: 404, title: 'There is nothing at this path' },
  'no-tenant': { status: 404, title: 'The user has no tenant' },
  'tenant-not-found': { status: 404, title: 'There is no such tenant' },
  'service-not-found': { status: 404, title: 'The template has no such service' },
  'domain-not-found': { status: 404, title: 'The tenant has no such domain' },
  'api-key-not-found': { status: 404, title: 'The tenant has no such API key' },
  'template-not-found': { status: 404, title: 'There is no such template' },
  'method-not-allowed': { status: 405, title: 'The method does not apply to this path' },
  'tenant-exists': { status: 409, title: 'A tenant of this name exists' },
  'tenant-deleting': { status: 409, title: 'The tenant is being deleted' },
  'tenant-not-ready': { status: 409, title: 'The tenant is not that far yet', retryAfter: 5 },
  'data-fate-unstated': { status: 409, title: 'It is not said what becomes of the data' },
  'field-managed': { status: 409, title: 'Another manager owns the field' },
  'domain-exists': { status: 409, title: 'The tenant has this domain already' },
  conflict: { status: 409, title: 'The object was changed meanwhile', retryAfter: 1 },
  'idempotency-in-progress': { status: 409, title: 'The first request with this key has not been answered yet', retryAfter: 2 },
  'precondition-failed': { status: 412, title: 'The object has changed since it was read' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The media type is not supported' },
  invalid: { status: 422, title: 'The body is not valid' },
  'idempotency-key-reused': { status: 422, title: 'The key was used for another request' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  internal: { status: 500, title: 'The control plane failed' },
  'kubernetes-unavailable': { status: 503, title: 'Kubernetes cannot be reached', retryAfter: 5 },
  'store-unavailable': { status: 503, title: "The control plane's database cannot be reached", retryAfter: 5 },
  'identity-provider-unavailable': { status: 503, title: 'WorkOS cannot be reached', retryAfter: 5 },
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof catalogue;

/** `type` of a problem: stable, and a name rather than a page. */
export function typeOf(code: Code): string {
  return `https://tenantry.dev/problems/${code}`;
}
