import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../../../templates/sidecar/settings/settings.ts';

const smallest = {
  HOST: '10.0.0.1',
  TENANTRY_TENANT: 'acme',
  TENANTRY_TENANT_UID: 'uid',
  TENANTRY_MCP_URL: 'https://mcp.example/t/acme/mcp',
  TENANTRY_UPSTREAM_URL: 'http://10.0.0.1:8081',
  TENANTRY_ASSERTION_JWKS_FILE: '/jwks.json',
  TENANTRY_CONTROL_PLANE_URL: 'https://control-plane.example',
  TENANTRY_CONTROL_PLANE_TOKEN_FILE: '/token',
  TENANTRY_AUDIT_SPOOL_DIR: '/spool',
};

describe('the settings of the sidecar', () => {
  it('have defaults', () => {
    expect(readSettings(smallest)).toMatchObject({
      port: 8001,
      displayName: 'acme',
      apiUrl: undefined,
      domains: [],
      openapiPath: '/openapi.json',
      readyPath: undefined,
      upstreamAuth: { mode: 'assertion', jwksFile: '/jwks.json' },
      apiKeysFile: undefined,
      issuer: undefined,
      oauth: undefined,
    });
  });

  it.each<[object, object]>([
    [
      { PORT: '1', TENANTRY_DISPLAY_NAME: 'Acme' },
      { port: 1, displayName: 'Acme' },
    ],
    [{ PORT: '65535' }, { port: 65535 }],
    [{ TENANTRY_API_URL: 'https://mcp.example/t/acme/api' }, { apiUrl: new URL('https://mcp.example/t/acme/api') }],
    [
      { TENANTRY_DOMAINS: '["https://a.example","http://b.example:8080"]' },
      { domains: [new URL('https://a.example'), new URL('http://b.example:8080')] },
    ],
    [
      { TENANTRY_OPENAPI_PATH: '/docs', TENANTRY_READY_PATH: '/ready' },
      { openapiPath: '/docs', readyPath: '/ready' },
    ],
    [
      { TENANTRY_UPSTREAM_AUTH: 'static', TENANTRY_UPSTREAM_AUTH_HEADER: 'X-Key', TENANTRY_UPSTREAM_AUTH_SECRET_FILE: '/secret' },
      { upstreamAuth: { mode: 'static', header: 'x-key', secretFile: '/secret' } },
    ],
    [{ TENANTRY_UPSTREAM_AUTH: 'none' }, { upstreamAuth: { mode: 'none' } }],
    [
      { TENANTRY_ORGANIZATION_ID: 'org_1', TENANTRY_OAUTH_ISSUER: 'https://i.example/', TENANTRY_OAUTH_CLIENT_ID: 'client_1' },
      { issuer: 'https://i.example/', oauth: { organizationId: 'org_1', issuer: 'https://i.example/', clientId: 'client_1' } },
    ],
    [{ TENANTRY_OAUTH_ISSUER: 'https://i.example' }, { issuer: 'https://i.example', oauth: undefined }],
  ])('with %j are %j', (variables, settings) => {
    expect(readSettings({ ...smallest, ...variables })).toMatchObject(settings);
  });

  it.each<[string, object]>([
    ['PORT', { PORT: '0' }],
    ['PORT', { PORT: '65536' }],
    ['HOST', { HOST: '' }],
    ['TENANTRY_OPENAPI_PATH', { TENANTRY_OPENAPI_PATH: 'docs' }],
    ['TENANTRY_READY_PATH', { TENANTRY_READY_PATH: 'ready' }],
    ['TENANTRY_DOMAINS', { TENANTRY_DOMAINS: '["a.example"]' }],
    ['TENANTRY_DOMAINS', { TENANTRY_DOMAINS: '["https://a.example/"]' }],
    ['TENANTRY_DOMAINS', { TENANTRY_DOMAINS: '["ws://a.example"]' }],
    ['TENANTRY_DOMAINS', { TENANTRY_DOMAINS: '7' }],
    ['TENANTRY_UPSTREAM_AUTH', { TENANTRY_UPSTREAM_AUTH: 'basic' }],
    ['TENANTRY_UPSTREAM_AUTH_HEADER', { TENANTRY_UPSTREAM_AUTH: 'static' }],
    ['TENANTRY_ASSERTION_JWKS_FILE', { TENANTRY_ASSERTION_JWKS_FILE: '' }],
    ['TENANTRY_OAUTH_ISSUER', { TENANTRY_ORGANIZATION_ID: 'org_1' }],
  ])('refuse a wrong %s: %j', (name, variables) => {
    expect(() => readSettings({ ...smallest, ...variables })).toThrow(new RegExp(`^${name} `));
  });
});
