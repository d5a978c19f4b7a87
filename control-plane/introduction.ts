import { ownFields } from './access/scope.ts';

/** What they may change, as the check has it. */
const own = new Intl.ListFormat('en-GB', { type: 'conjunction' }).format(ownFields.map((field) => `\`${field}\``));

/** What holds for every operation: `info.description` of the OpenAPI document, and the beginning of the reference. Markdown. */
export const introduction = `\
Create, change and delete tenants, each with an MCP stack of its own; read the record of what was done; and what tenants' pods ask. The same document is served at
\`/openapi.json\`; \`control-plane/client\` has a typed client made from it, and \`tenantry\` is the command line over it.

**Authentication.** \`/admin\` takes an AuthKit session access token as \`Authorization: Bearer <token>\`; \`GET /v1/auth/config\` says where to sign in, and \`tenantry login\` does it. The token
proves the sign-in. Whether its user still is an active member, with the same role, is looked up on every request, so that whoever was removed is out within a minute. Tokens of tenants' users
(OAuth), API keys and pods' tokens open nothing here. A token that is missing, expired or refused is \`401\` with a challenge in \`WWW-Authenticate\`.

**Who may do what.** Permissions come with the role at WorkOS; each operation names the one it needs, and \`403\` names the one that is missing.

| permission | for |
|---|---|
| \`tenants:read\` | reading tenants, their domains, services, API keys, connections, and templates |
| \`tenants:write\` | creating and changing them, suspending, resuming, switches, domains, API keys |
| \`tenants:delete\` | deleting tenants |
| \`tenants:rotate\` | replacing their secrets |
| \`audit:read\` | records, their verification and export |
| \`templates:write\` | applying templates |

Members of the platform's organization administer all tenants. Members of another organization administer the tenants of that organization alone: they create and delete none, write no templates, change
${own}, do not resume what the platform has suspended, and take nothing over from another field manager. What is not theirs is
\`404\` for them, exactly like what does not exist.

**Problems.** Every refusal is a problem document (RFC 9457, \`application/problem+json\`). \`code\` is stable, so programs compare it; \`detail\` names the fault and \`remedy\` how to solve it; \`errors\` points
to each fault of a body by JSON pointer; \`requestId\` is the id of the request, also in \`X-Request-Id\` and in the logs. The page problems.md lists every code. \`422\` is a body that breaks a rule, \`400\` a request, query or header
that cannot be read, \`409\` a state that stands against it. A \`503\` has \`Retry-After\`: look whether the change was made before you repeat it, or send it with an \`Idempotency-Key\`.

**ETags.** A tenant, a page of tenants and a template come with an \`ETag\`. \`If-None-Match\` answers \`304\` while nothing has changed. \`If-Match\` on a change or a deletion makes it \`412\` where somebody was
faster; without it the change is made to the tenant as it is, and what you do not name stays. The status counts: each step of the operator changes the ETag of a tenant.

**Pages.** Lists that may be long take \`limit\` (1 to 500) and answer \`nextCursor\` while there is more; send it as \`cursor\` with the same filter and order. A cursor names what the last page ended with, so whatever
is there from the first page to the last is listed exactly once, whatever comes and goes in between.

**Idempotency.** \`POST /admin/tenants\` takes an \`Idempotency-Key\` of your choosing. For a day, the same body with the same key makes one tenant, with one organization and one invitation, however often it is sent and
whatever dies in between; \`Idempotency-Replayed\` tells whether the answer is the first one again. All other changes say what is to be, and may be repeated.

**Dry runs.** \`?dryRun=true\` on creating and changing tenants and on applying templates makes every check, Kubernetes' own too, stores nothing and records nothing.

**Limits.** \`RateLimit-Limit\`, \`RateLimit-Remaining\` and \`RateLimit-Reset\` tell an administrator what is left of the minute at this replica; beyond it requests are \`429\` with \`Retry-After\`. Tokens that are refused
count against the address they come from. Bodies have at most 256 KiB, batches of records at \`/pods/v1/audit\` and \`/operator/v1/audit\` 1 MiB, and all of them 64 levels;
headers have 16 KiB together; a request must arrive within 20 s and is answered within 25 s, but for verifying and exporting the audit.

**Versions.** Until 1.0 the API goes with \`tenantry.dev/v1alpha1\` and may change between minor versions, which the changelog tells. Fields, problems and values of enumerations may be added at any time: ignore those you do
not know.`;

/** Groups of operations. */
export const tags = [
  { name: 'tenants', description: 'Tenants as a whole.' },
  { name: 'services', description: "Switches of a tenant's stack." },
  { name: 'domains', description: 'Custom host names of a tenant.' },
  { name: 'api keys', description: 'Keys by which machines call a tenant.' },
  { name: 'templates', description: 'What tenants are made of.' },
  { name: 'audit', description: 'What was done, by whom, and whether the record of it is whole.' },
  { name: 'pods', description: "For the sidecars of tenants' pods, by a token of their ServiceAccount." },
  { name: 'operator', description: 'For the operator, by a token of its ServiceAccount.' },
  { name: 'sign-in', description: 'For people who sign in.' },
  { name: 'webhooks', description: 'For WorkOS.' },
];
