/** A kind of problem. Texts are for people at any client, so they name neither HTTP methods nor command-line flags. */
export interface Entry {
  /** HTTP status. */
  readonly status: number;
  readonly title: string;
  /** How to solve it, where the problem at hand does not have a more exact answer. */
  readonly remedy: string;
  /** Whether the same request may succeed later without any other change. */
  readonly retryable: boolean;
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
  /** Command that helps at a command line, without `tenantry` in front. */
  readonly command?: string;
}

/** Problems that every HTTP server of Tenantry may answer with. */
export const shared = {
  'malformed-request': {
    status: 400,
    title: 'The request cannot be read',
    remedy: 'Correct the part that detail names. Bodies are JSON.',
    retryable: false,
  },
  unauthenticated: {
    status: 401,
    title: 'A valid token is required',
    remedy: 'Sign in again and use the new token.',
    retryable: false,
    command: 'login',
  },
  forbidden: {
    status: 403,
    title: 'The caller lacks a permission',
    remedy: 'Ask an administrator for a role that has the permission.',
    retryable: false,
    command: 'whoami',
  },
  'route-not-found': {
    status: 404,
    title: 'Nothing is served at this path',
    remedy: 'Check the path against the API document and the URLs in the status of the tenant.',
    retryable: false,
  },
  'method-not-allowed': {
    status: 405,
    title: 'The method does not apply to this path',
    remedy: 'Use one of the methods in the Allow header.',
    retryable: false,
  },
  'body-too-large': { status: 413, title: 'The body is too large', remedy: 'Send a smaller body.', retryable: false },
  'unsupported-media-type': { status: 415, title: 'The media type is not supported', remedy: 'Send application/json.', retryable: false },
  invalid: { status: 422, title: 'The body is not valid', remedy: 'Correct every field listed in errors.', retryable: false },
  'too-many-requests': {
    status: 429,
    title: 'Too many requests',
    remedy: 'Wait for the time in the Retry-After header, then repeat the request.',
    retryable: true,
  },
  internal: {
    status: 500,
    title: 'The server failed',
    remedy: 'Report the problem with its requestId. The log of the server has the cause under the same id.',
    retryable: false,
  },
  'store-unavailable': {
    status: 503,
    title: 'The database cannot be reached',
    remedy: 'Wait a few seconds, check whether the change was made, then repeat it.',
    retryable: true,
    retryAfter: 5,
  },
} as const satisfies Record<string, Entry>;

/** Problems of the control plane: the Admin API, and what pods, the operator and WorkOS call. */
export const controlPlane = {
  'invalid-query': {
    status: 400,
    title: 'The query is not valid',
    remedy: 'Correct the query parameters that detail names.',
    retryable: false,
  },
  'webhook-refused': {
    status: 400,
    title: 'The signature of the webhook is not valid',
    remedy: 'Set WORKOS_WEBHOOK_SECRET to the secret that WorkOS shows for this endpoint.',
    retryable: false,
  },
  'suspended-by-platform': {
    status: 403,
    title: 'The platform has suspended the tenant',
    remedy: 'Ask an administrator of the platform to resume it.',
    retryable: false,
  },
  'no-tenant': {
    status: 404,
    title: 'The user belongs to no tenant',
    remedy: 'Ask an administrator of the tenant for an invitation to its organization.',
    retryable: false,
  },
  'tenant-not-found': {
    status: 404,
    title: 'The tenant was not found',
    remedy: 'Check the name in the list of tenants. Tenants of other organizations are answered as not found.',
    retryable: false,
    command: 'tenants list',
  },
  'service-not-found': {
    status: 404,
    title: 'The template has no service of this name',
    remedy: 'Check the name in the list of the services of the tenant.',
    retryable: false,
    command: 'services list',
  },
  'domain-not-found': {
    status: 404,
    title: 'The tenant has no such domain',
    remedy: 'Check the host name in the list of the domains of the tenant.',
    retryable: false,
    command: 'domains list',
  },
  'api-key-not-found': {
    status: 404,
    title: 'The tenant has no such API key',
    remedy: 'Check the id in the list of the API keys of the tenant. The key may have been revoked already.',
    retryable: false,
    command: 'keys list',
  },
  'template-not-found': {
    status: 404,
    title: 'The template was not found',
    remedy: 'Check the name in the list of templates.',
    retryable: false,
    command: 'templates list',
  },
  'request-timeout': {
    status: 408,
    title: 'The request took too long to arrive',
    remedy: 'Send the whole request within 20 seconds.',
    retryable: true,
  },
  'tenant-exists': {
    status: 409,
    title: 'A tenant of this name already exists',
    remedy: 'Choose another name, or update the existing tenant.',
    retryable: false,
    command: 'tenants update',
  },
  'organization-taken': {
    status: 409,
    title: 'The organization cannot be given to a tenant',
    remedy: 'Choose another organization. The organization of the platform cannot own a tenant.',
    retryable: false,
  },
  'tenant-deleting': {
    status: 409,
    title: 'The tenant is being deleted',
    remedy: 'Wait until the tenant is gone.',
    retryable: false,
    command: 'tenants get',
  },
  'tenant-not-ready': {
    status: 409,
    title: 'The tenant is not ready for this yet',
    remedy: 'Wait for the condition that detail names, then repeat the request.',
    retryable: true,
    retryAfter: 5,
  },
  'api-key-limit-reached': {
    status: 409,
    title: 'The tenant has reached the limit of API keys',
    remedy: 'Revoke a key that is no longer used or that has expired.',
    retryable: false,
    command: 'keys revoke',
  },
  'deletion-choice-required': {
    status: 409,
    title: 'The deletion does not say what happens to the data',
    remedy: 'Choose what happens to the data: data=retain keeps the database, locked; data=delete drops it permanently.',
    retryable: false,
    command: 'tenants delete',
  },
  'field-managed': {
    status: 409,
    title: 'Another field manager owns the field',
    remedy: 'Change the field where it is managed, or have an administrator of the platform force the change.',
    retryable: false,
  },
  'refused-by-cluster': {
    status: 409,
    title: 'A policy of the cluster refuses the change',
    remedy: 'Ask the administrators of the cluster. detail has the message of their policy.',
    retryable: false,
  },
  'domain-exists': {
    status: 409,
    title: 'The tenant already has this domain',
    remedy: 'Verify the domain to have its DNS record checked again.',
    retryable: false,
    command: 'domains verify',
  },
  conflict: {
    status: 409,
    title: 'The object was changed at the same time',
    remedy: 'Repeat the request.',
    retryable: true,
    retryAfter: 1,
  },
  'idempotency-in-progress': {
    status: 409,
    title: 'A request with this idempotency key has no stored answer yet',
    remedy: 'Wait a few seconds, then repeat the request with the same key.',
    retryable: true,
    retryAfter: 1,
  },
  'precondition-failed': {
    status: 412,
    title: 'The object has changed since it was read',
    remedy: 'Read the object again and repeat the change with its new ETag.',
    retryable: false,
  },
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key was used for another request',
    remedy: 'Use a new idempotency key for a new request.',
    retryable: false,
  },
  'headers-too-large': { status: 431, title: 'The headers are too large', remedy: 'Send smaller headers.', retryable: false },
  overloaded: {
    status: 503,
    title: 'The answer took too long',
    remedy: 'Wait a few seconds, check whether the change was made, then repeat it.',
    retryable: true,
    retryAfter: 5,
  },
  'kubernetes-unavailable': {
    status: 503,
    title: 'Kubernetes cannot be reached',
    remedy: 'Wait a few seconds, check whether the change was made, then repeat it.',
    retryable: true,
    retryAfter: 5,
  },
  'identity-provider-unavailable': {
    status: 503,
    title: 'WorkOS cannot be reached',
    remedy: 'Wait a few seconds, then repeat the request.',
    retryable: true,
    retryAfter: 5,
  },
} as const satisfies Record<string, Entry>;

/** Problems under the URLs of a tenant: its MCP endpoint and its API. */
export const tenant = {
  'unknown-action': {
    status: 400,
    title: 'The action is not known',
    remedy: 'Use one of the actions in allowedActions.',
    retryable: false,
  },
  'insufficient-scope': {
    status: 403,
    title: 'The credential does not allow this request',
    remedy: 'Use a token or an API key that allows it.',
    retryable: false,
  },
  'not-a-member': {
    status: 403,
    title: 'The user is not an active member of the organization',
    remedy: 'Ask an administrator of the tenant for an invitation to its organization.',
    retryable: false,
  },
  'role-required': {
    status: 403,
    title: 'The role of the user allows no access',
    remedy: 'Ask an administrator of the tenant for another role.',
    retryable: false,
  },
  'read-only': {
    status: 403,
    title: 'The caller may only read',
    remedy: 'Ask an administrator of the tenant for a role or an API key that may make changes.',
    retryable: false,
  },
  'origin-refused': {
    status: 403,
    title: 'Requests from this origin are not accepted',
    remedy: 'Call the tenant from a program, or from a page of its own host.',
    retryable: false,
  },
  'host-refused': {
    status: 403,
    title: 'The Host header does not name this tenant',
    remedy: 'Call one of the URLs in the status of the tenant.',
    retryable: false,
  },
  'tool-not-offered': {
    status: 403,
    title: 'The tool is not offered',
    remedy: 'Use another tool, or ask an administrator of the tenant to allow this one.',
    retryable: false,
  },
  'item-not-found': { status: 404, title: 'The item was not found', remedy: 'Check the uid in the list of items.', retryable: false },
  'tool-not-found': { status: 404, title: 'The tool was not found', remedy: 'Read the current names with tools/list.', retryable: false },
  'version-mismatch': {
    status: 409,
    title: 'The item has changed since it was read',
    remedy: 'Read the item again and repeat the change with its new version.',
    retryable: false,
  },
  'item-deleted': {
    status: 410,
    title: 'The item was deleted',
    remedy: 'Read it with includeDeleted=true. It cannot be changed.',
    retryable: false,
  },
  'tenant-starting': {
    status: 503,
    title: 'The tenant is starting',
    remedy: 'Wait a few seconds, then repeat the request.',
    retryable: true,
    retryAfter: 2,
  },
  'authorization-unavailable': {
    status: 503,
    title: 'The permission of the caller cannot be checked',
    remedy: 'Wait a few seconds, then repeat the request.',
    retryable: true,
    retryAfter: 5,
  },
  'api-unavailable': {
    status: 503,
    title: 'The API of the tenant cannot be reached',
    remedy: 'Wait a few seconds, check whether the change was made, then repeat it.',
    retryable: true,
    retryAfter: 2,
  },
  'api-timeout': {
    status: 504,
    title: 'The API of the tenant took too long to answer',
    remedy: 'Check whether the change was made, then repeat the request, or request less data.',
    retryable: true,
  },
} as const satisfies Record<string, Entry>;

/** Problems of the router of local mode. */
export const router = {
  'backend-failed': {
    status: 502,
    title: 'The pod ended the connection before it answered',
    remedy: 'Check whether the change was made, then repeat the request.',
    retryable: true,
  },
  'backend-unavailable': {
    status: 503,
    title: 'No pod of the service is ready',
    remedy: 'Wait a few seconds, then repeat the request.',
    retryable: true,
    retryAfter: 1,
  },
} as const satisfies Record<string, Entry>;

/** Every problem by its code. Codes are API: clients match on them, so a code is only ever added. */
export const catalogue = { ...shared, ...controlPlane, ...tenant, ...router } as const;

export type Code = keyof typeof catalogue;

export function isCode(text: string): text is Code {
  return Object.hasOwn(catalogue, text);
}

export function entryOf(code: Code): Entry {
  return catalogue[code];
}

/** `type` of a problem: a stable URI. It names the problem and need not lead to a page. */
export function typeOf(code: Code): string {
  return `https://tenantry.dev/problems/${code}`;
}
