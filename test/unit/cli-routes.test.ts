import { describe, expect, test } from 'vitest';
import { type HttpRoute, leadsTo, ofHttpRoute, ofIngress } from '../../cli/diagnose/links/routes.ts';

const metadata = { name: 'stack', namespace: 'tenant-acme' };
const spec = { hostnames: ['acme.example.com'], rules: [{ matches: [{ path: { value: '/mcp' } }, { path: { value: '/api' } }] }] };
const accepted = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' };
const withConditions = (
  ...conditions: NonNullable<NonNullable<HttpRoute['status']>['parents']>[number]['conditions'] & object
): HttpRoute => ({
  metadata,
  spec,
  status: { parents: [{ conditions }] },
});

describe('an HTTPRoute', () => {
  test('that the gateway has taken is for its hosts and paths alone', () => {
    const route = ofHttpRoute(withConditions(accepted, { type: 'ResolvedRefs', status: 'True' }));
    expect(route.refusals).toEqual([]);
    expect(leadsTo(route, new URL('https://acme.example.com/mcp'))).toBe(true);
    expect(leadsTo(route, new URL('https://globex.example.com/mcp'))).toBe(false);
    expect(leadsTo(route, new URL('https://acme.example.com/metrics'))).toBe(false);
  });

  test('tells why it was not taken', () => {
    const refused = { type: 'Accepted', status: 'False', reason: 'NotAllowedByListeners', message: 'no listener allows this namespace' };
    expect(ofHttpRoute(withConditions(refused)).refusals).toEqual([
      'Accepted=False (NotAllowedByListeners) no listener allows this namespace',
    ]);
    const unresolved = { type: 'ResolvedRefs', status: 'False', reason: 'BackendNotFound', message: 'service stack' };
    expect(ofHttpRoute(withConditions(accepted, unresolved)).refusals).toEqual(['ResolvedRefs=False (BackendNotFound) service stack']);
  });

  test('is not called refused by a condition that is better False', () => {
    expect(ofHttpRoute(withConditions(accepted, { type: 'PartiallyInvalid', status: 'False' })).refusals).toEqual([]);
  });

  test('that no gateway has looked at is refused', () => {
    expect(ofHttpRoute({ metadata, spec }).refusals).toEqual(['no gateway has looked at it']);
  });
});

test('an Ingress without a host is for any', () => {
  const route = ofIngress({ metadata, spec: { rules: [{ http: { paths: [{ path: '/t/acme/mcp' }] } }] } });
  expect(leadsTo(route, new URL('http://localhost:8080/t/acme/mcp'))).toBe(true);
  expect(leadsTo(route, new URL('http://localhost:8080/t/globex/mcp'))).toBe(false);
});
