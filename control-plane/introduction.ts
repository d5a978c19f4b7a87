import { ownFields } from './access/scope.ts';
import { permissions } from './identity/permissions.ts';

/** The fields that administrators of a tenant may change. The access check uses the same list. */
const own = new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(ownFields.map((field) => `\`${field}\``));

const granted = permissions.map(({ slug, allows }) => `| \`${slug}\` | ${allows} |`).join('\n');

/** The rules that hold for every operation, in Markdown: `info.description` of the OpenAPI document, and the beginning of the reference. */
export const introduction = `\
Create, change and delete tenants, each with an MCP stack of its own, and read the audit. The tenants' pods and the operator use some operations too. This document is served at
\`/openapi.json\`. \`control-plane/client\` is a typed client generated from it, and the command line \`tenantry\` uses that client.

**Authentication.** \`/admin\` takes an AuthKit session access token as \`Authorization: Bearer <token>\`. \`tenantry login\` signs in; \`GET /v1/auth/config\` returns where other programs sign in.
The token proves the sign-in. Every request looks up whether the user is still an active member with the same role, so a removed administrator loses access within a minute. OAuth tokens of
tenants' users, API keys and pods' tokens are refused. A missing, expired or refused token gets \`401\` with a challenge in \`WWW-Authenticate\`.

**Permissions.** Permissions come with the role at WorkOS. Each operation names the permission that it requires. \`403\` names the permission that is missing.

| permission | for |
|---|---|
${granted}

Members of the platform's organization administer all tenants. Members of another organization administer only the tenants of that organization. They may change
${own}. They cannot create or delete tenants, write templates, resume a tenant that the platform has suspended, or take over fields of another field manager.
Tenants of other organizations are answered with \`404\`, exactly like tenants that do not exist.

**Problems.** Every refusal is a problem document (RFC 9457, \`application/problem+json\`). \`code\` is stable: programs compare it. \`detail\` describes the fault and \`remedy\` the solution. \`errors\` points
to each fault by JSON pointer. \`requestId\` is the id of the request, which is also in \`X-Request-Id\` and in the logs. The page problems.md lists every code. \`400\` means that the request, the query or a header
cannot be read, \`422\` that the body breaks a rule, and \`409\` that the present state does not allow the request. A \`503\` has \`Retry-After\`: check whether the change was made before you repeat the request, or send an \`Idempotency-Key\`.

**ETags.** A tenant, a page of tenants and a template have an \`ETag\`. A read with \`If-None-Match\` gets \`304\` while nothing has changed. A change or deletion with \`If-Match\` gets \`412\` when the object has changed.
Without \`If-Match\` the change applies to the present state, and fields that you leave out stay. The status is part of the state, so each step of the operator changes the ETag of a tenant.

**Pages.** Long lists take \`limit\` (1 to 500) and return \`nextCursor\` while there are more items. Send it as \`cursor\`, with the same filter and order. An item that exists from the first page to the last is listed
exactly once, even if others are created or deleted meanwhile.

**Idempotency.** \`POST /admin/tenants\` takes an \`Idempotency-Key\`, a text of your choosing. For a day, the same body with the same key creates one tenant, with one organization and one invitation. This holds however often
it is sent, and if a replica is killed meanwhile. \`Idempotency-Replayed\` shows whether the answer repeats the first one. All other changes state the result that you want, so they can be repeated.

**Dry runs.** \`?dryRun=true\` on creating and changing tenants and on applying templates makes every check, including those of Kubernetes. It stores nothing and records nothing.

**Limits.** \`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\` show the administrator's limit a minute at all replicas together. Requests above it get \`429\` with \`Retry-After\`. Refused tokens
count against the address that sent them. A body may have 256 KiB, or 1 MiB at \`/pods/v1/audit\` and \`/operator/v1/audit\`, and 64 levels. All headers together may have
16 KiB. A request must arrive within 20 s. It is answered within 25 s, except verification and export of the audit.

**Versions.** Until 1.0 the API has the version of \`tenantry.dev/v1alpha1\` and may change between minor versions; the changelog lists the changes. Fields, problems and values of enumerations may be added at any time: ignore
unknown ones.`;

/** Groups of operations. */
export const tags = [
  { name: 'tenants', description: 'Create, read, change and delete tenants.' },
  { name: 'services', description: 'Features of a template that a tenant can turn on or off.' },
  { name: 'domains', description: 'Custom host names of a tenant.' },
  { name: 'api keys', description: 'Keys with which programs call a tenant.' },
  { name: 'templates', description: 'Templates of the stacks of tenants.' },
  { name: 'audit', description: 'Records of actions, and their verification.' },
  { name: 'pods', description: "For the sidecars of tenants' pods, with a token of their ServiceAccount." },
  { name: 'operator', description: 'For the operator, with a token of its ServiceAccount.' },
  { name: 'sign-in', description: 'For people who sign in.' },
  { name: 'webhooks', description: 'For WorkOS.' },
];
