import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsWith } from '../../gen.ts';

describe('the settings of the operator', () => {
  test('have defaults', () => {
    expect(settingsWith()).toMatchObject({
      addressing: { mode: 'path' },
      imagePullPolicy: 'IfNotPresent',
      ingressAnnotations: {},
      dnsServers: [],
      gatewayNamespace: 'tenantry-system',
      metricsNamespaces: [],
      systemNamespace: 'tenantry-system',
      drainSeconds: 5,
      workers: 10,
      host: '0.0.0.0',
      port: 8080,
      logLevel: 'info',
      replica: hostname(),
      gateway: undefined,
      lease: undefined,
    });
  });

  test.each<[NodeJS.ProcessEnv, object]>([
    [{ TENANTRY_BASE_URL: 'https://mcp.example.com/base//' }, { addressing: { baseUrl: 'https://mcp.example.com/base' } }],
    [
      { TENANTRY_OPERATOR_SUBJECT: 'User:system:serviceaccount:a:b' },
      { operatorSubject: { kind: 'User', name: 'system:serviceaccount:a:b', apiGroup: 'rbac.authorization.k8s.io' } },
    ],
    [{ TENANTRY_OPERATOR_SUBJECT: 'ServiceAccount:a/b' }, { operatorSubject: { kind: 'ServiceAccount', name: 'b', namespace: 'a' } }],
    [{ TENANTRY_GATEWAY: 'a/b' }, { gateway: undefined }],
    [{ TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'a/b' }, { gateway: { namespace: 'a', name: 'b' } }],
    [{ TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'a/b/c' }, { gateway: { namespace: 'a', name: 'b', section: 'c' } }],
    [{ TENANTRY_VERIFY_ADDRESS: 'gateway:1' }, { verify: { address: { host: 'gateway', port: 1 } } }],
    [{ TENANTRY_VERIFY_ADDRESS: '[fd00::2]:65535' }, { verify: { address: { host: 'fd00::2', port: 65535 } } }],
    [{ TENANTRY_DNS_SERVERS: ' 10.0.0.2, 10.0.0.3:53 ,,[fd00::2]:65535' }, { dnsServers: ['10.0.0.2', '10.0.0.3:53', '[fd00::2]:65535'] }],
    [{ TENANTRY_METRICS_NAMESPACES: 'a, b,,' }, { metricsNamespaces: ['a', 'b'] }],
    [
      { TENANTRY_DRAIN_SECONDS: '0', TENANTRY_WORKERS: '1', PORT: '0' },
      { drainSeconds: 0, workers: 1, port: 0 },
    ],
    [
      { TENANTRY_DRAIN_SECONDS: '60', TENANTRY_WORKERS: '100', PORT: '65535' },
      { drainSeconds: 60, workers: 100, port: 65535 },
    ],
    [{ TENANTRY_LEASE: 'a/b' }, { lease: { namespace: 'a', name: 'b' } }],
    [
      { POD_NAME: '', TENANTRY_DOMAIN_ISSUER: '' },
      { replica: hostname(), domainIssuer: undefined },
    ],
    [
      { POD_NAME: 'p', TENANTRY_DOMAIN_ISSUER: 'i' },
      { replica: 'p', domainIssuer: 'i' },
    ],
    [
      { TENANTRY_SIDECAR_IMAGE: 'i', TENANTRY_CONTROL_PLANE_TOKEN_FILE: 't', TENANTRY_AUDIT_SPOOL_DIR: 's' },
      { sidecarImage: 'i', controlPlaneTokenFile: 't', auditSpoolDir: 's' },
    ],
    [
      { TENANTRY_ROUTE_MODE: 'host', TENANTRY_BASE_URL: 'https://example.com/' },
      { addressing: { baseUrl: 'https://example.com', mode: 'host' } },
    ],
  ])('with %j are %j', (variables, settings) => {
    expect(settingsWith(variables)).toMatchObject(settings);
  });

  test.each<[string, string, NodeJS.ProcessEnv?]>([
    ['TENANTRY_BASE_URL', 'ftp://example.com'],
    ['TENANTRY_BASE_URL', 'https://192.0.2.1', { TENANTRY_ROUTE_MODE: 'host' }],
    ['TENANTRY_BASE_URL', 'https://[fd00::1]', { TENANTRY_ROUTE_MODE: 'host' }],
    ['TENANTRY_BASE_URL', 'https://example.com/base', { TENANTRY_ROUTE_MODE: 'host' }],
    ['TENANTRY_OPERATOR_SUBJECT', 'Group:x'],
    ['TENANTRY_GATEWAY', 'a'],
    ['TENANTRY_GATEWAY', '', { TENANTRY_ROUTE_KIND: 'gateway' }],
    ['TENANTRY_INGRESS_ANNOTATIONS', '{'],
    ['TENANTRY_INGRESS_ANNOTATIONS', '{"a":1}'],
    ['TENANTRY_VERIFY_ADDRESS', 'gateway'],
    ['TENANTRY_VERIFY_ADDRESS', 'gateway:0'],
    ['TENANTRY_VERIFY_ADDRESS', 'gateway:65536'],
    ['TENANTRY_DNS_SERVERS', 'dns.example'],
    ['TENANTRY_DNS_SERVERS', '10.0.0.2,dns.example'],
    ['TENANTRY_DNS_SERVERS', '10.0.0.2:65536'],
    ['TENANTRY_DATABASE_URL', 'mysql://a/b'],
    ['TENANTRY_DATABASE_URL', 'postgres:///postgres'],
    ['TENANTRY_DATABASE_CIDR', '10.0.0.5'],
    ['TENANTRY_DRAIN_SECONDS', '-1'],
    ['TENANTRY_DRAIN_SECONDS', '61'],
    ['TENANTRY_WORKERS', '0'],
    ['TENANTRY_WORKERS', '101'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['TENANTRY_LEASE', 'a'],
    ['TENANTRY_SIDECAR_IMAGE', ''],
  ])('refuse %s=%j and name it', (name, value, others = {}) => {
    expect(() => settingsWith({ ...others, [name]: value })).toThrow(new RegExp(`\\n {2}${name}(\\.a)?: .+`));
  });

  test('take the URL of the database from a file', () => {
    const dir = mkdtempSync(join(tmpdir(), 'tenantry-settings-'));
    const file = join(dir, 'url');
    try {
      writeFileSync(file, 'postgres://a:b@db/postgres\n');
      expect(settingsWith({ TENANTRY_DATABASE_URL: '', TENANTRY_DATABASE_URL_FILE: file }).databaseUrl).toBe('postgres://a:b@db/postgres');
      writeFileSync(file, 'secret');
      expect(() => settingsWith({ TENANTRY_DATABASE_URL_FILE: file })).toThrow(/TENANTRY_DATABASE_URL_FILE: (?!.*secret)/);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
