import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { renderDomainRoutes } from '../../../../operator/render/domain-route.ts';
import { renderTenant } from '../../../../operator/render/tenant.ts';
import { blueprint } from '../../gen.ts';

const api = { name: 'api', image: 'acme/api:1' };

/** Blueprints that together use every field of templates, tenants and settings that changes an object. */
const variants: Readonly<Record<string, Parameters<typeof blueprint>[0]>> = {
  smallest: { template: { containers: [api], database: undefined, publicApi: false } },
  full: {
    spec: {
      displayName: 'Acme',
      organizationId: 'org_1',
      replicas: 3,
      services: { notes: false },
      tools: { deny: ['delete_*'] },
      containers: {
        api: { env: [{ name: 'COLOUR', value: 'red $(SECRET)' }], resources: { requests: { cpu: '200m' }, limits: { memory: '1Gi' } } },
        mcp: { resources: { limits: { memory: '512Mi' } } },
      },
      network: { egress: [{ cidr: '0.0.0.0/0', ports: [443] }, { namespaceSelector: { team: 'shared' } }, { cidr: '203.0.113.0/24' }] },
    },
    template: {
      publicApi: true,
      openapi: { path: '/docs/openapi.json' },
      containers: [
        {
          ...api,
          command: ['serve'],
          args: ['--all'],
          env: [
            { name: 'COLOUR', value: 'blue' },
            { name: 'PAGE_SIZE', parameter: '/pageSize' },
            { name: 'ABSENT', parameter: '/absent' },
            { name: 'TOKEN', secret: 'token' },
          ],
          readyPath: '/ready',
          livePath: '/live',
          resources: { requests: { memory: '128Mi' } },
        },
        { name: 'worker', image: 'acme/worker:1' },
        { name: 'cache', image: 'acme/cache:1', readyPath: '/ready' },
      ],
      mcp: { resources: { requests: { cpu: '50m' } } },
      database: { migration: { command: ['migrate'], args: ['up'] } },
      secrets: [{ name: 'token', bytes: 32 }],
      services: [{ name: 'notes', tags: ['Notes', 'Comments'] }, { name: 'tasks' }],
    },
    parameters: { pageSize: 20 },
    environment: {
      TENANTRY_BASE_URL: 'https://mcp.example.com/base',
      TENANTRY_INGRESS_CLASS: 'traefik',
      TENANTRY_INGRESS_ANNOTATIONS: '{"a/b":"c"}',
      TENANTRY_DOMAIN_ISSUER: 'letsencrypt',
      TENANTRY_DRAIN_SECONDS: '1',
      TENANTRY_DATABASE_URL: 'postgres://admin:secret@[fd00::5]/postgres',
      TENANTRY_CONTROL_PLANE_URL: 'https://control-plane.example',
    },
    domains: ['https://mcp.acme.com'],
  },
  'static secret, gateway and suspended': {
    spec: { suspended: true },
    template: {
      containers: [api],
      database: {},
      publicApi: true,
      secrets: [{ name: 'key', bytes: 32 }],
      upstreamAuth: { mode: 'static', header: 'X-Key', secret: 'key' },
    },
    environment: {
      TENANTRY_BASE_URL: 'https://mcp.example.com',
      TENANTRY_ROUTE_KIND: 'gateway',
      TENANTRY_GATEWAY: 'ingress/public/https',
      TENANTRY_DRAIN_SECONDS: '0',
      TENANTRY_DATABASE_URL: 'postgres://admin:secret@db.example/postgres',
      TENANTRY_CONTROL_PLANE_URL: 'http://control-plane.example',
    },
    domains: ['https://mcp.acme.com'],
  },
  'no credentials, host mode and plain http': {
    template: { containers: [api], upstreamAuth: { mode: 'none' } },
    environment: {
      TENANTRY_BASE_URL: 'http://mcp.example.com',
      TENANTRY_ROUTE_MODE: 'host',
      TENANTRY_DOMAIN_ISSUER: 'letsencrypt',
      TENANTRY_DATABASE_URL: '',
    },
    domains: ['http://mcp.acme.com'],
  },
  'gateway without a listener, on an address': {
    template: { containers: [api] },
    environment: { TENANTRY_BASE_URL: 'https://192.0.2.1', TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'ingress/public' },
  },
  'database of known addresses, on https without an issuer': {
    template: { containers: [api] },
    environment: { TENANTRY_BASE_URL: 'https://localhost', TENANTRY_DATABASE_CIDR: '10.0.0.0/24' },
    domains: ['https://mcp.acme.com'],
  },
};

/** A change of these files changes running tenants: a change of a pod restarts every one of them. */
describe('the objects of a tenant', () => {
  test.each(Object.entries(variants))('with %s are the stored ones', async (name, options) => {
    const one = blueprint(options);
    const { foundation, migration, workload } = renderTenant(one);
    const objects = [...foundation, ...(migration ? [migration] : []), ...workload, ...renderDomainRoutes(one)].map(({ object }) => object);
    const text = objects.map((object) => stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })).join('---\n');
    await expect(text).toMatchFileSnapshot(`rendered/${name.replaceAll(/\W+/g, '-')}.yaml`);
  });
});
