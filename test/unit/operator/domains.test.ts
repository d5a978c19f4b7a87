import { describe, expect, test } from 'vitest';
import { type DomainClaim, domainProof } from '../../../crds/domains.ts';
import { type Tenant, tenantStatus } from '../../../crds/tenant.ts';
import type { KubeObject, Resource } from '../../../kube/resources.ts';
import { type DomainStatus, domainsOf } from '../../../operator/domains/domain-status.ts';
import type { Proof } from '../../../operator/domains/proof.ts';
import { endpointsAt, isInstallations, originOf } from '../../../operator/installation/domain-endpoints.ts';
import { domainRouteName } from '../../../operator/render/domain-route.ts';
import type { Context } from '../../../operator/tenant/context.ts';
import { releaseDomains } from '../../../operator/tenant/release-domains.ts';
import { tenant } from '../gen.ts';

const addressing = { baseUrl: 'https://mcp.example.com:8443/base', mode: 'path' } as const;
const uid = tenant().metadata.uid ?? '';
const domain = 'mcp.acme.com';

function claim(tenantUid: string): DomainClaim {
  return {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'DomainClaim',
    metadata: { name: domain },
    spec: { tenant: 'acme', tenantUid },
  };
}

function stateOf(
  options: { domain?: string; claim?: DomainClaim; proof?: Proof; before?: DomainStatus; routeProblem?: string } = {},
): DomainStatus {
  const owner = tenant({ domains: [options.domain ?? domain] }, options.before ? { domains: [options.before] } : undefined);
  const known = { claim: () => options.claim, proof: () => options.proof };
  const [state] = domainsOf(owner, known, addressing, true, () => options.routeProblem);
  if (!state) throw new Error('no state');
  expect(tenantStatus.safeParse({ domains: [state] }).error).toBeUndefined();
  return state;
}

describe('giving a domain up', () => {
  const url = `https://${domain}:8443/mcp`;
  const routed: KubeObject = { metadata: { name: domainRouteName(domain), namespace: 'tenant-acme' } };

  /** Names of what is deleted, in that order, and the domains that wait. */
  async function given(owner: Tenant): Promise<{ deleted: string[]; waiting: string[] }> {
    const deleted: string[] = [];
    const context = {
      client: { delete: async (_resource: Resource, name: string) => deleted.push(name) },
      children: { find: (_tenant: string, resource: Resource) => (resource.kind === 'Ingress' ? routed : undefined) },
      domains: { claimsOf: () => [claim(uid)] },
      log: { info: () => {} },
    } as unknown as Context;
    return { waiting: await releaseDomains(owner, context, new AbortController().signal), deleted };
  }

  const registered = { authorization: { resources: [{ url, id: 'r1' }] } };
  const leaving = (finalizers: string[]): Tenant => {
    const owner = tenant({ domains: [domain] }, registered);
    return { ...owner, metadata: { ...owner.metadata, finalizers, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  };

  test.each<[string, Tenant, { deleted: string[]; waiting: string[] }]>([
    ['is not done while it is named', tenant({ domains: [domain] }, registered), { deleted: [], waiting: [] }],
    ['takes route and claim', tenant({}), { deleted: [domainRouteName(domain), domain], waiting: [] }],
    ['keeps the claim while its URL is registered', tenant({}, registered), { deleted: [domainRouteName(domain)], waiting: [domain] }],
    [
      'waits for no other URL',
      tenant({}, { authorization: { resources: [{ url: 'https://mcp.example.com/t/acme/mcp', id: 'r2' }] } }),
      { deleted: [domainRouteName(domain), domain], waiting: [] },
    ],
    [
      'keeps the claim of a deleted tenant while the control plane holds it',
      leaving(['tenantry.dev/operator', 'tenantry.dev/authorization']),
      { deleted: [domainRouteName(domain)], waiting: [domain] },
    ],
    [
      'takes all once the control plane has let a deleted tenant go',
      leaving(['tenantry.dev/operator']),
      { deleted: [domainRouteName(domain), domain], waiting: [] },
    ],
  ])('%s', async (_what, owner, expected) => {
    expect(await given(owner)).toEqual(expected);
  });
});

describe('a custom domain', () => {
  test.each([
    ['mcp.example.com', true],
    ['acme.mcp.example.com', true],
    ['example.com', false],
    ['evilmcp.example.com', false],
    ['mcp.example.com.evil.org', false],
  ])('%s belongs to the installation: %s', (host, expected) => {
    expect(isInstallations(host, addressing)).toBe(expected);
    expect(stateOf({ domain: host, claim: { ...claim(uid) } }).state).toBe(expected ? 'Conflict' : 'Verified');
  });

  test('has the protocol and port of the installation, and no path', () => {
    expect(endpointsAt(originOf(domain, addressing), true)).toEqual({
      mcp: 'https://mcp.acme.com:8443/mcp',
      api: 'https://mcp.acme.com:8443/api',
      metadata: 'https://mcp.acme.com:8443/.well-known/oauth-protected-resource/mcp',
    });
  });

  test("is proved by a record that is another for each tenant and domain, and that says nothing of the tenant's UID", () => {
    const { value } = domainProof(uid, domain);
    expect(new Set([value, domainProof('other', domain).value, domainProof(uid, 'mcp.acme.org').value]).size).toBe(3);
    expect(value).not.toContain(uid.slice(0, 8));
  });

  test.each<[string, Parameters<typeof stateOf>[0], Partial<DomainStatus>]>([
    ['not looked up yet', {}, { state: 'Pending', message: expect.stringMatching(/^Enter the TXT record/) }],
    ['without a record', { proof: 'missing' }, { state: 'Pending', message: expect.stringMatching(/^There is no such record yet/) }],
    ['with a wrong record', { proof: 'other' }, { state: 'Pending', message: expect.stringContaining('another value') }],
    ['that nobody answers for', { proof: { unanswered: 'ETIMEOUT' } }, { state: 'Pending', message: expect.stringContaining('ETIMEOUT') }],
    ['of another tenant', { claim: claim('other'), proof: 'proved' }, { state: 'Conflict' }],
    ['that is claimed', { claim: claim(uid), proof: 'missing' }, { state: 'Verified', mcp: 'https://mcp.acme.com:8443/mcp' }],
    ['whose route is refused', { claim: claim(uid), routeProblem: 'no listener' }, { message: 'The domain is verified. no listener' }],
  ])('%s says so', (_what, options, expected) => {
    expect(stateOf(options)).toMatchObject(expected);
  });

  test('says after a restart what it said before, until there is news', () => {
    const before = stateOf({ proof: 'missing' });
    expect(stateOf({ before })).toEqual(before);
    expect(stateOf({ before, proof: 'other' })).not.toEqual(before);
    // What was verified and is not any more is a new beginning.
    expect(stateOf({ before: stateOf({ claim: claim(uid) }) }).message).toMatch(/^Enter the TXT record/);
  });
});
