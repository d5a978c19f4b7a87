import { expect, test } from 'vitest';
import { readSettings } from '../../../control-plane/settings.ts';

const complete = {
  WORKOS_API_KEY: 'sk_test_hidden',
  WORKOS_CLIENT_ID: 'client_01ABC',
  TENANTRY_ADMIN_ISSUER: 'https://api.workos.com',
  TENANTRY_OAUTH_ISSUER: 'https://acme.authkit.app/',
  TENANTRY_PLATFORM_ORGANIZATION_ID: 'org_01PLATFORM',
  TENANTRY_STORE_URL: 'postgres://tenantry:hidden@db.example.com/tenantry',
  TENANTRY_AUDIT_KEY_FILE: '/etc/tenantry/audit/key.pem',
  TENANTRY_BASE_URL: 'https://mcp.example.com/',
};

test('applies defaults and removes a trailing slash', () => {
  expect(readSettings(complete)).toMatchObject({
    host: '127.0.0.1',
    port: 8090,
    workos: { apiUrl: 'https://api.workos.com' },
    oauthIssuer: 'https://acme.authkit.app',
    addressing: { baseUrl: 'https://mcp.example.com', mode: 'path' },
    audit: { retentionDays: 400, recordsPerMinute: 3_000 },
    toolAccess: new Map([
      ['viewer', 'read'],
      ['*', 'all'],
    ]),
    logLevel: 'info',
  });
});

test('drops the newline at the end of a key, a secret and the URL of the database', () => {
  const { workos, storeUrl } = readSettings({
    ...complete,
    WORKOS_API_KEY: 'sk_test_x\n',
    WORKOS_WEBHOOK_SECRET: 'whsec\n',
    TENANTRY_STORE_URL: 'postgres://u:p@db:5432/x\n',
  });
  expect(workos).toMatchObject({ apiKey: 'sk_test_x', webhookSecret: 'whsec' });
  expect(storeUrl).toBe('postgres://u:p@db:5432/x');
});

test('names every missing or wrong variable without its value', () => {
  const read = () =>
    readSettings({
      WORKOS_API_KEY: 'sk_test_hidden',
      WORKOS_CLIENT_ID: 'sk_test_wrong',
      PORT: 'eighty',
      TENANTRY_OAUTH_ISSUER: 'acme',
      TENANTRY_TOOL_ACCESS: 'viewer=some',
      TENANTRY_STORE_URL: 'mysql://u:hunter2@db/x',
    });
  expect(read).toThrow(/WORKOS_CLIENT_ID must be a client ID/);
  expect(read).toThrow(/PORT /);
  expect(read).toThrow(/TENANTRY_ADMIN_ISSUER is not set/);
  expect(read).toThrow(/TENANTRY_OAUTH_ISSUER must be an http or https URL/);
  expect(read).toThrow(/TENANTRY_TOOL_ACCESS must be a list such as/);
  expect(read).toThrow(/TENANTRY_STORE_URL must be the URL of a PostgreSQL database/);
  expect(read).not.toThrow(/sk_test|hunter2/);
});

test('refuses an origin with a path', () => {
  expect(() => readSettings({ ...complete, WORKOS_API_URL: 'https://api.workos.com/v1' })).toThrow('WORKOS_API_URL must have no path');
});
