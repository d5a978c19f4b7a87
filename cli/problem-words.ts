/** What the Admin API says in words of HTTP, as somebody at the command line types it. The more exact stand before the more general. */
const translations: readonly (readonly [RegExp, string])[] = [
  [/\?force=true/g, '--force'],
  [/\?data=(retain|delete)/g, '--data $1'],
  [/\bthe header Idempotency-Key|\bIdempotency-Key/g, '--idempotency-key'],
  [/\b(?:Wait until )GET (?:\/admin\/tenants\/([-a-z0-9]+)|of the tenant) answers 404/g, 'Wait until the tenant is gone'],
  [/\bas many seconds as Retry-After says\b/g, 'a few seconds'],
  [/\bPOST \S*?\/domains\/([^\s/]+)\/verify/g, '`tenantry domains verify`'],
  [/\bGET \/admin\/tenants\/([^\s/]+)\/services\b/g, '`tenantry services list`'],
  [/\bGET \/admin\/tenants\/([^\s/]+)\/domains\b/g, '`tenantry domains list`'],
  [/\bDELETE \/admin\/tenants\/([^\s/]+)\/api-keys\/[^\s/.]+/g, '`tenantry keys revoke`'],
  [/\bGET \/admin\/tenants\/([^\s/]+)\/api-keys\b/g, '`tenantry keys list`'],
  [/\bGET \/admin\/templates\/([^\s/]+)\/revisions\b/g, '`tenantry templates revisions`'],
  [/\bGET \/admin\/templates\b/g, '`tenantry templates list`'],
  [/\bGET \/admin\/tenants\b(?!\/)/g, '`tenantry tenants list`'],
  [/\bchange (it|the tenant) with PATCH\b/g, 'change $1 with `tenantry tenants update`'],
  [/\bverify looks at its record\b/g, '`tenantry domains verify` looks at its record'],
];

/** A detail of a problem in words of the command line. */
export function inCommands(detail: string): string {
  return translations.reduce((text, [pattern, words]) => text.replaceAll(pattern, words), detail);
}

/** What to do, for problems whose detail does not say it at a command line. By the last part of the problem's type. */
export const remedies: Readonly<Record<string, string>> = {
  unauthenticated: 'Sign in again: tenantry login',
  forbidden: 'What you may do: tenantry whoami',
  'no-tenant': 'Ask an administrator of the tenant for an invitation to its organization.',
  conflict: 'Run the same command again.',
  'idempotency-in-progress': 'Run the same command again in up to a minute.',
  'data-fate-unstated': 'Say --data retain (the database is kept, locked) or --data delete (it is dropped with everything in it).',
  internal: 'Look for the request in the log of the control plane.',
};
