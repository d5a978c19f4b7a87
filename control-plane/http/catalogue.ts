interface Entry {
  readonly status: number;
  readonly title: string;
  /** What whoever gets it can do; the detail of a problem is more exact. */
  readonly remedy: string;
  /** Seconds after which a client may try again. */
  readonly retryAfter?: number;
}

/** Every error the API answers with, by code. Codes are API: clients match on `type`, so one is only ever added. */
export const catalogue = {
  'malformed-request': { status: 400, title: 'The request could not be read', remedy: 'Correct what detail names; bodies are JSON.' },
  'invalid-query': { status: 400, title: 'The query does not fit', remedy: 'Correct the parameters that detail names.' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive', remedy: 'Send the whole request within 20 seconds.' },
  'webhook-refused': {
    status: 400,
    title: 'The webhook is not signed as it should be',
    remedy: 'Set WORKOS_WEBHOOK_SECRET to the secret of the endpoint at WorkOS.',
  },
  unauthenticated: { status: 401, title: 'A valid token is required', remedy: 'Sign in again and send the new token.' },
  forbidden: { status: 403, title: 'The token lacks a permission', remedy: 'Ask for a role that has the permission detail names.' },
  'suspended-by-platform': {
    status: 403,
    title: 'The platform has suspended the tenant',
    remedy: 'Ask an administrator of the platform to resume it.',
  },
  'route-not-found': { status: 404, title: 'There is nothing at this path', remedy: 'Look the path up in /openapi.json.' },
  'no-tenant': {
    status: 404,
    title: 'The user has no tenant',
    remedy: 'Ask an administrator of the tenant for an invitation to its organization.',
  },
  'tenant-not-found': {
    status: 404,
    title: 'There is no such tenant',
    remedy: 'Look the name up by GET /admin/tenants. What is not yours is not there for you.',
  },
  'service-not-found': {
    status: 404,
    title: 'The template has no such service',
    remedy: 'Look the name up by GET /admin/tenants/{name}/services.',
  },
  'domain-not-found': {
    status: 404,
    title: 'The tenant has no such domain',
    remedy: 'Look the host name up by GET /admin/tenants/{name}/domains.',
  },
  'api-key-not-found': {
    status: 404,
    title: 'The tenant has no such API key',
    remedy: 'Look the id up by GET /admin/tenants/{name}/api-keys; it may be revoked already.',
  },
  'template-not-found': { status: 404, title: 'There is no such template', remedy: 'Look the name up by GET /admin/templates.' },
  'method-not-allowed': {
    status: 405,
    title: 'The method does not apply to this path',
    remedy: 'Use one of the methods in the header Allow.',
  },
  'tenant-exists': { status: 409, title: 'A tenant of this name exists', remedy: 'Choose another name, or change the tenant with PATCH.' },
  'organization-taken': {
    status: 409,
    title: 'The organization is not to be had for a tenant',
    remedy: "Name another: the platform's own organization is never a tenant's.",
  },
  'tenant-deleting': { status: 409, title: 'The tenant is being deleted', remedy: 'Wait until GET of the tenant answers 404.' },
  'tenant-not-ready': {
    status: 409,
    title: 'The tenant is not that far yet',
    remedy: 'Wait for the condition that detail names, then repeat.',
    retryAfter: 5,
  },
  'api-key-limit-reached': {
    status: 409,
    title: 'The tenant may have no more API keys',
    remedy: 'Revoke one that nobody uses, or that has expired, by DELETE /admin/tenants/{name}/api-keys/{id}.',
  },
  'data-fate-unstated': {
    status: 409,
    title: 'It is not said what becomes of the data',
    remedy: 'Repeat with ?data=retain or ?data=delete.',
  },
  'field-managed': {
    status: 409,
    title: 'Another manager owns the field',
    remedy: 'Change the field where it is managed, or have an administrator of the platform take it over with ?force=true.',
  },
  'refused-by-cluster': {
    status: 409,
    title: 'A policy of the cluster refuses it',
    remedy: 'Ask the administrators of the cluster; detail has what their policy says.',
  },
  'domain-exists': {
    status: 409,
    title: 'The tenant has this domain already',
    remedy: 'Nothing is to be done; verify looks at its record.',
  },
  conflict: { status: 409, title: 'The object was changed meanwhile', remedy: 'Send the same request again.', retryAfter: 1 },
  'idempotency-in-progress': {
    status: 409,
    title: 'A request with this key is in progress, or has ended without an answer that was kept',
    remedy: 'Wait as many seconds as Retry-After says, then send the same request again.',
    retryAfter: 1,
  },
  'precondition-failed': {
    status: 412,
    title: 'The object has changed since it was read',
    remedy: 'Read it again and repeat the change with the new ETag.',
  },
  'body-too-large': { status: 413, title: 'The body is too large', remedy: 'Send a smaller body.' },
  'unsupported-media-type': { status: 415, title: 'The media type is not supported', remedy: 'Send application/json.' },
  invalid: { status: 422, title: 'The body is not valid', remedy: 'Correct every field in errors.' },
  'idempotency-key-reused': { status: 422, title: 'The key was used for another request', remedy: 'Use a new key for a new request.' },
  'too-many-requests': { status: 429, title: 'Too many requests', remedy: 'Wait as many seconds as Retry-After says.' },
  'headers-too-large': { status: 431, title: 'The headers are too large', remedy: 'Send smaller headers.' },
  internal: { status: 500, title: 'The control plane failed', remedy: 'Look for the id in instance in the logs of the control plane.' },
  overloaded: {
    status: 503,
    title: 'The answer took too long',
    remedy: 'Wait as many seconds as Retry-After says, and look whether the change was made before repeating it.',
    retryAfter: 5,
  },
  'kubernetes-unavailable': {
    status: 503,
    title: 'Kubernetes cannot be reached',
    remedy: 'Wait as many seconds as Retry-After says, and look whether the change was made before repeating it.',
    retryAfter: 5,
  },
  'store-unavailable': {
    status: 503,
    title: "The control plane's database cannot be reached",
    remedy: 'Wait as many seconds as Retry-After says, then repeat.',
    retryAfter: 5,
  },
  'identity-provider-unavailable': {
    status: 503,
    title: 'WorkOS cannot be reached',
    remedy: 'Wait as many seconds as Retry-After says, then repeat.',
    retryAfter: 5,
  },
} as const satisfies Record<string, Entry>;

export type Code = keyof typeof catalogue;

/** `type` of a problem: stable, and a name rather than a page. */
export function typeOf(code: Code): string {
  return `https://tenantry.dev/problems/${code}`;
}
