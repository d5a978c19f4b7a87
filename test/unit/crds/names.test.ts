import { expect, test } from 'vitest';
import { domainProof } from '../../../crds/domains.ts';
import { databaseNames, endpointsOf, otherLogin, tenantOfNamespace } from '../../../crds/names.ts';
import { servicesOf, stackTemplateSpec } from '../../../crds/stack-template.ts';

test.each([
  ['tenant-acme', 'acme'],
  ['tenant-tenant-', 'tenant-'],
  ['acme-tenant-', undefined],
  ['kube-system', undefined],
])('the namespace %s is that of the tenant %s', (namespace, name) => {
  expect(tenantOfNamespace(namespace)).toBe(name);
});

test('the two logins of a tenant alternate', () => {
  const { login } = databaseNames('0-1-2');
  expect(login).toBe('tenant_012_a');
  expect(otherLogin(login)).toBe('tenant_012_b');
  expect(otherLogin('tenant_012_b')).toBe('tenant_012_a');
  expect(otherLogin('a_b')).toBe('a_a');
});

test('in host mode each tenant has a host of its own', () => {
  expect(endpointsOf('acme', { baseUrl: 'https://example.com:8443', mode: 'host' }, false)).toEqual({
    mcp: 'https://acme.example.com:8443/mcp',
    metadata: 'https://acme.example.com:8443/.well-known/oauth-protected-resource/mcp',
  });
});

test('people have entered the DNS records of their domains, so the records must stay the same', () => {
  expect(domainProof('uid', 'mcp.acme.com')).toEqual({
    name: '_tenantry-challenge.mcp.acme.com',
    type: 'TXT',
    value: 'tenantry=72455e04a9f874407c4647fb222c3b58',
  });
});

test('the services of a tenant are those that it chose, then the defaults', () => {
  const services = [{ name: 'on' }, { name: 'off', default: false }, { name: 'chosen-off' }, { name: 'chosen-on', default: false }];
  const template = stackTemplateSpec.parse({ containers: [{ name: 'api', image: 'x:1' }], services });
  expect(servicesOf(template, { 'chosen-off': false, 'chosen-on': true, unknown: true })).toEqual({
    on: true,
    off: false,
    'chosen-off': false,
    'chosen-on': true,
  });
  expect(servicesOf({ ...template, services: [{ name: 'old' } as never] })).toEqual({ old: true });
  expect(servicesOf({ containers: template.containers })).toEqual({});
});
