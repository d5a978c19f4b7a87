import { randomUUID } from 'node:crypto';
import { WorkOS } from '@workos-inc/node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Context, reconcile } from '../../../control-plane/authorization/reconcile.ts';
import { IdentityProvider } from '../../../control-plane/identity/provider.ts';
import { WorkosConnection } from '../../../control-plane/identity/workos-connection.ts';
import { finalizers, namespaceOf } from '../../../crds/names.ts';
import type { Tenant, TenantSpec } from '../../../crds/tenant.ts';
import { KubeClient } from '../../../kube/client.ts';
import { kinds } from '../../../kube/resources.ts';
import { workosSeed } from '../../../local/workos/directory/seed.ts';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { statusOf } from '../../../operator/tenant/status.ts';
import { eventually } from '../../eventually.ts';
import { startEnvironment } from '../../unit/local/workos/environment.ts';
import {
  baseUrl,
  type Cluster,
  createNamespace,
  createTenant,
  openWorkos,
  podToken,
  publish,
  startCluster,
  startPlane,
} from './cluster.ts';

let cluster: Cluster;
let workos: WorkosStandIn;
let plane: Awaited<ReturnType<typeof startPlane>>;
let organizationId: string;
let platformOrganizationId: string;
const platformExternalId = randomUUID();

beforeAll(async () => {
  cluster = await startCluster();
  workos = await openWorkos(cluster);
  organizationId = workos.createOrganization({ name: 'Acme' }).id;
  platformOrganizationId = workos.createOrganization({ name: 'Platform', externalId: platformExternalId }).id;
  plane = await start();
});

const start = (tuning: Parameters<typeof startPlane>[3] = {}) => startPlane(cluster, workos, { platformOrganizationId }, tuning);

afterAll(async () => {
  await plane.stop();
  await workos.close();
  await cluster.stop();
});

const read = (name: string) => cluster.client.find<Tenant>(kinds.Tenant, name);
const ready = (tenant: Tenant | undefined) => tenant?.status?.conditions?.find(({ type }) => type === 'AuthorizationReady');

/** The tenant once its condition says `reason`. */
function settled(name: string, reason: string): Promise<Tenant> {
  return eventually(`${name} is ${reason}`, async () => {
    const tenant = await read(name);
    return ready(tenant)?.reason === reason && tenant;
  });
}

/** Lets a test make passes of its own, as a control plane would. */
async function passing(make: (context: Context) => Promise<void>): Promise<void> {
  const client = KubeClient.fromConfig({ kubeconfig: cluster.kubeconfig });
  try {
    await make({
      client,
      provider: new IdentityProvider(new WorkosConnection(workos)),
      platformOrganizationId,
      installation: baseUrl,
      tenants: () => [],
      inTurn: (_url, work) => work(),
      beforeChange: () => {},
      now: () => new Date(),
      wrote: () => {},
    });
  } finally {
    await client.close();
  }
}

/** WorkOS goes away for as long as `during` takes, and comes back as it was. */
async function outage(during: () => Promise<void>): Promise<void> {
  const { port } = workos;
  await workos.close();
  try {
    await during();
  } finally {
    workos = await openWorkos(cluster, port);
  }
}

describe('OAuth resources of tenants', () => {
  test('are registered and recorded for a tenant made with kubectl', async () => {
    await createTenant(cluster, 'registered', organizationId);
    const tenant = await settled('registered', 'Registered');
    const mcp = `${baseUrl}/t/registered/mcp`;
    expect(tenant.metadata.finalizers).toContain(finalizers.authorization);
    expect(ready(tenant)).toMatchObject({ status: 'True', observedGeneration: tenant.metadata.generation });
    expect(tenant.status?.authorization?.resources).toEqual([{ url: mcp, id: expect.stringMatching(/^authkit_oauth_resource_/) }]);
    expect(workos.resources()).toContain(mcp);
  });

  test("leave the operator's part of the status unchanged", async () => {
    await createTenant(cluster, 'shared-status', organizationId);
    const tenant = await settled('shared-status', 'Registered');
    expect(tenant.status?.endpoints?.mcp).toBe(`${baseUrl}/t/shared-status/mcp`);
    const again = await publish(cluster, 'shared-status', `${baseUrl}/t/shared-status/mcp`);
    expect(ready(again)?.reason).toBe('Registered');
  });

  test('follow a changed URL', async () => {
    await createTenant(cluster, 'moved', organizationId);
    await settled('moved', 'Registered');
    await publish(cluster, 'moved', 'http://localhost:10/t/moved/mcp');
    const url = 'http://localhost:10/t/moved/mcp';
    await eventually('the new URL is recorded', async () => (await read('moved'))?.status?.authorization?.resources?.[0]?.url === url);
    expect(workos.resources()).toContain(url);
    expect(workos.resources()).not.toContain(`${baseUrl}/t/moved/mcp`);
  });

  test('are removed with the tenant', async () => {
    await createTenant(cluster, 'removed', organizationId);
    await settled('removed', 'Registered');
    await cluster.client.delete(kinds.Tenant, 'removed');
    await eventually('the tenant is gone', async () => (await read('removed')) === undefined);
    expect(workos.resources()).not.toContain(`${baseUrl}/t/removed/mcp`);
  });

  test('are not registered without an organization', async () => {
    await createTenant(cluster, 'keys-only');
    const tenant = await settled('keys-only', 'NoOrganization');
    expect(ready(tenant)?.status).toBe('True');
    expect(tenant.metadata.finalizers ?? []).not.toContain(finalizers.authorization);
    expect(workos.resources()).not.toContain(`${baseUrl}/t/keys-only/mcp`);
  });

  test('are registered when an organization is set later', async () => {
    await createTenant(cluster, 'later');
    await settled('later', 'NoOrganization');
    await cluster.client.patch(kinds.Tenant, 'later', { spec: { organizationId } });
    await settled('later', 'Registered');
    expect(workos.resources()).toContain(`${baseUrl}/t/later/mcp`);
  });

  test('are not registered for a missing organization', async () => {
    await createTenant(cluster, 'no-org', 'org_01NOBODY');
    const tenant = await settled('no-org', 'OrganizationNotFound');
    expect(ready(tenant)).toMatchObject({ status: 'False', message: expect.stringContaining('org_01NOBODY') });
    expect(workos.resources()).not.toContain(`${baseUrl}/t/no-org/mcp`);
    await cluster.client.delete(kinds.Tenant, 'no-org');
    await eventually('it can be deleted', async () => (await read('no-org')) === undefined);
  });

  test('need no further write when the tenant is registered', async () => {
    await createTenant(cluster, 'quiet', organizationId);
    const before = await settled('quiet', 'Registered');
    await createTenant(cluster, 'after-quiet', organizationId);
    await settled('after-quiet', 'Registered');
    await publish(cluster, 'quiet', `${baseUrl}/t/quiet/mcp`);
    expect((await read('quiet'))?.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
  });
});

const wanted = (email?: string): NonNullable<TenantSpec['organization']> => ({
  name: 'Acme Inc.',
  externalId: randomUUID(),
  ...(email === undefined ? {} : { admin: { email } }),
});

function create(name: string, organization: ReturnType<typeof wanted>) {
  return createTenant(cluster, name, undefined, { organization });
}

/** Metadata of an organization that was made for the tenant. */
const markedFor = (name: string, uid: string | undefined = randomUUID()) => ({
  tenantry_tenant: name,
  tenantry_tenant_uid: uid,
  tenantry_installation: baseUrl,
});

const invitationsTo = async (id: string) => (await rest().userManagement.listInvitations({ organizationId: id })).data;

describe('an organization created for a tenant', () => {
  test('is created and set, and its first administrator invited once', async () => {
    const organization = wanted('ada@acme.example');
    await create('organized', organization);
    const tenant = await settled('organized', 'Registered');
    const made = workos.findOrganization(organization.externalId);
    expect(made).toMatchObject({ name: 'Acme Inc.' });
    expect(tenant.spec.organizationId).toBe(made?.id);
    const { data: invitations } = await rest().userManagement.listInvitations({ organizationId: made?.id ?? '' });
    expect(invitations).toEqual([expect.objectContaining({ email: 'ada@acme.example', state: 'pending', roleSlug: 'tenant-admin' })]);
    expect(tenant.status?.authorization?.organization).toEqual({ id: made?.id, invitationId: invitations[0]?.id });
    expect(workos.resources()).toContain(`${baseUrl}/t/organized/mcp`);
  });

  test('is found again after an interrupted reconcile, with its invitation', async () => {
    const organization = wanted('grace@globex.example');
    const made = workos.createOrganization({ name: 'Acme Inc.', externalId: organization.externalId, metadata: markedFor('found-again') });
    const sent = await rest().userManagement.sendInvitation({
      email: 'grace@globex.example',
      organizationId: made.id,
      roleSlug: 'tenant-admin',
    });
    await rest().userManagement.revokeInvitation(sent.id);
    await create('found-again', organization);
    const tenant = await settled('found-again', 'Registered');
    expect(tenant.spec.organizationId).toBe(made.id);
    // Revoked meanwhile by somebody: it is not sent again.
    expect(tenant.status?.authorization?.organization).toEqual({ id: made.id, invitationId: sent.id });
    expect((await rest().userManagement.listInvitations({ organizationId: made.id })).data).toHaveLength(1);
  });

  test('invites nobody when the administrator is already a member', async () => {
    const organization = wanted('already@acme.example');
    const made = workos.createOrganization({
      name: 'Acme Inc.',
      externalId: organization.externalId,
      metadata: markedFor('member-already'),
    });
    const user = await workos.createUser({ email: 'already@acme.example' });
    workos.createMembership({ userId: user.id, organizationId: made.id });
    await create('member-already', organization);
    const tenant = await settled('member-already', 'Registered');
    expect(tenant.status?.authorization?.organization).toEqual({ id: made.id, invitationId: 'not-needed' });
  });

  test('is created after an outage of WorkOS', async () => {
    const organization = wanted();
    await outage(async () => {
      await create('organized-later', organization);
      await settled('organized-later', 'ProviderUnavailable');
    });
    await settled('organized-later', 'Registered');
    expect((await read('organized-later'))?.spec.organizationId).toBe(workos.findOrganization(organization.externalId)?.id);
  });

  test('is registered although the invitation is refused, and invites later', async () => {
    await plane.stop();
    // An environment without the role that is invited for; the passes are made here, so that no other tenant is looked for in it.
    await using environment = await startEnvironment({ seed: workosSeed });
    const there = environment.workos;
    try {
      await passing(async (context) => {
        const provider = new IdentityProvider(new WorkosConnection(there));
        const look = async (): Promise<Tenant | undefined> => {
          const tenant = await read('uninvited');
          if (tenant === undefined) return undefined;
          const again = await reconcile(tenant, new Set(), { ...context, provider }, new AbortController().signal);
          return again === 0 ? look() : read('uninvited');
        };
        const url = `${baseUrl}/t/uninvited/mcp`;
        await create('uninvited', wanted('heidi@acme.example'));
        const tenant = await look();
        const { message } = ready(tenant) ?? {};
        expect(ready(tenant)).toMatchObject({ status: 'False', reason: 'InvitationRefused' });
        expect(message).toBe(
          'WorkOS refused to invite the first administrator (HTTP 400). Correct spec.organization.admin.email, and check that the role tenant-admin exists: tenantry workos check.',
        );
        expect(there.invitations('heidi@acme.example')).toEqual([]);
        expect(there.resources()).toEqual([url]);
        expect(tenant?.status?.authorization?.resources).toEqual([{ url, id: expect.any(String) }]);
        const shown = statusOf(tenant as Tenant, {}, context.now);
        expect(shown.phase).toBe('Stalled');
        expect(shown.conditions).toContainEqual(
          expect.objectContaining({ type: 'Stalled', status: 'True', reason: 'InvitationRefused', message }),
        );
        await environment.sdk.authorization.createEnvironmentRole({ slug: 'tenant-admin', name: 'Tenant admin' });
        expect(ready(await look())).toMatchObject({ status: 'True', reason: 'Registered' });
        expect(there.invitations('heidi@acme.example')).toEqual([expect.objectContaining({ state: 'pending', role_slug: 'tenant-admin' })]);
        await cluster.client.delete(kinds.Tenant, 'uninvited');
        expect(await look()).toBeUndefined();
      });
    } finally {
      plane = await start();
    }
  });

  test('stays when the tenant is deleted', async () => {
    const organization = wanted();
    await create('leaves-organization', organization);
    await settled('leaves-organization', 'Registered');
    await cluster.client.delete(kinds.Tenant, 'leaves-organization');
    await eventually('the tenant is gone', async () => (await read('leaves-organization')) === undefined);
    expect(workos.findOrganization(organization.externalId)).toBeDefined();
  });

  test("gets the tenant's marks in its metadata and keeps other keys", async () => {
    const organization = wanted('marked@acme.example');
    await create('marked', organization);
    const { metadata } = await settled('marked', 'Registered');
    expect(workos.findOrganization(organization.externalId)?.metadata).toEqual(markedFor('marked', metadata.uid));
    const given = wanted();
    workos.createOrganization({ ...given, metadata: { tenantry_tenant: 'given', plan: 'gold' } });
    await create('given', given);
    const tenant = await settled('given', 'Registered');
    expect(workos.findOrganization(given.externalId)?.metadata).toEqual({ ...markedFor('given', tenant.metadata.uid), plan: 'gold' });
  });

  test('is given to the next tenant of the same name', async () => {
    const organization = wanted('again@acme.example');
    await create('made-again', organization);
    const first = await settled('made-again', 'Registered');
    await cluster.client.delete(kinds.Tenant, 'made-again');
    await eventually('the tenant is gone', async () => (await read('made-again')) === undefined);
    await create('made-again', organization);
    const second = await settled('made-again', 'Registered');
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
    expect(second.spec.organizationId).toBe(first.spec.organizationId);
    expect(workos.findOrganization(organization.externalId)?.metadata).toEqual(markedFor('made-again', second.metadata.uid));
  });

  test('gets marks later when it has none', async () => {
    const organization = wanted('older@acme.example');
    await create('older', organization);
    const { spec, metadata } = await settled('older', 'Registered');
    const unmarked = { tenantry_tenant: null, tenantry_tenant_uid: null, tenantry_installation: null };
    await rest().put(`/organizations/${spec.organizationId}`, { metadata: unmarked });
    await plane.stop();
    plane = await start();
    await eventually('it is marked', async () => workos.findOrganization(organization.externalId)?.metadata['tenantry_tenant'] === 'older');
    expect(workos.findOrganization(organization.externalId)?.metadata).toEqual(markedFor('older', metadata.uid));
  });
});

describe('an organization that the tenant may not use', () => {
  /** Nobody is invited, nothing registered, and the condition says what to do. */
  async function refused(name: string, organization: string | undefined, remedy = 'Create the tenant again'): Promise<void> {
    const tenant = await settled(name, 'OrganizationTaken');
    expect(ready(tenant)).toMatchObject({ status: 'False', message: expect.stringContaining(remedy) });
    expect(tenant.status?.authorization).toBeUndefined();
    expect(workos.resources()).not.toContain(`${baseUrl}/t/${name}/mcp`);
    if (organization !== undefined)
      expect((await invitationsTo(organization)).filter(({ email }) => email.startsWith('mallory'))).toEqual([]);
  }

  test('is refused by its external id', async () => {
    const victim = wanted('owner@victim.example');
    await create('victim', victim);
    const { spec } = await settled('victim', 'Registered');
    const foreign = workos.createOrganization({ name: 'Of another program', externalId: randomUUID() });
    const elsewhere = workos.createOrganization({
      name: 'Elsewhere',
      externalId: randomUUID(),
      metadata: { ...markedFor('steals-elsewhere'), tenantry_installation: 'https://elsewhere.example' },
    });
    const admin = { email: 'mallory@evil.example' };
    const targets: [string, string, string | undefined][] = [
      ['steals-platform', platformExternalId, platformOrganizationId],
      ['steals-tenant', victim.externalId, spec.organizationId],
      ['steals-foreign', foreign.external_id ?? '', foreign.id],
      ['steals-elsewhere', elsewhere.external_id ?? '', elsewhere.id],
    ];
    for (const [name, externalId, id] of targets) {
      await create(name, { name: 'Mine', externalId, admin });
      await refused(name, id);
      expect((await read(name))?.spec.organizationId).toBeUndefined();
    }
    expect(ready(await read('victim'))?.reason).toBe('Registered');
    await cluster.client.delete(kinds.Tenant, 'steals-tenant');
    await eventually('it can be deleted', async () => (await read('steals-tenant')) === undefined);
    expect(workos.findOrganization(victim.externalId)?.metadata['tenantry_tenant']).toBe('victim');
  });

  test('is refused with its identifier beside its external id', async () => {
    const victim = wanted('owner@invited.example');
    await create('victim-of-invitation', victim);
    const { spec } = await settled('victim-of-invitation', 'Registered');
    const organization = { ...victim, admin: { email: 'mallory@evil.example' } };
    await createTenant(cluster, 'invites', spec.organizationId, { organization });
    await refused('invites', spec.organizationId);
  });

  test("is refused by the identifier of the platform's organization", async () => {
    await createTenant(cluster, 'by-identifier', platformOrganizationId);
    await refused('by-identifier', platformOrganizationId, 'with another organization');
  });

  test('is given to one of several simultaneous tenants', async () => {
    const organization = wanted('race@acme.example');
    const names = ['race-b', 'race-a', 'race-c'];
    const made = await Promise.all(names.map((name) => create(name, organization)));
    const tenants = await Promise.all(
      made.map(({ metadata: { name } }) =>
        eventually(`${name} is decided`, async () => {
          const tenant = await read(name);
          return /^(Registered|OrganizationTaken)$/.test(ready(tenant)?.reason ?? '') && tenant;
        }),
      ),
    );
    const winners = tenants.filter((tenant) => ready(tenant)?.reason === 'Registered');
    expect(winners).toHaveLength(1);
    const [winner] = winners;
    expect(workos.findOrganization(organization.externalId)?.metadata).toEqual(
      markedFor(winner?.metadata.name ?? '', winner?.metadata.uid),
    );
    expect(await invitationsTo(winner?.spec.organizationId ?? '')).toHaveLength(1);
    for (const { metadata } of tenants.filter((tenant) => tenant !== winner)) await refused(metadata.name, undefined);
  });
});

describe('an organization that is deleted at WorkOS', () => {
  const gone = async (name: string, tuning: Parameters<typeof startPlane>[3]) => {
    const { id } = workos.createOrganization({ name });
    await createTenant(cluster, name, id);
    await settled(name, 'Registered');
    await plane.stop();
    plane = await start(tuning);
    // What this control plane remembers of the organization is from before it went.
    await createTenant(cluster, `${name}-too`, id);
    await settled(`${name}-too`, 'Registered');
    await rest().organizations.deleteOrganization(id);
    for (const one of [name, `${name}-too`]) expect(ready(await settled(one, 'OrganizationNotFound'))).toMatchObject({ status: 'False' });
    await plane.stop();
    plane = await start();
  };
  const timing = { answerMs: 1_000, evidenceMs: 2_000, noMs: 500, confirmMs: 200 };

  test('is found by its event', () => gone('told', { sweepMs: 3_600_000, memberships: { pollMs: 200, timing } }));
  test('is found by the sweep without an event', () => gone('unheard', { sweepMs: 500, memberships: { pollMs: 3_600_000, timing } }));
});

describe('custom domains', () => {
  test('are registered once verified, and removed afterwards', async () => {
    await createTenant(cluster, 'domained', organizationId);
    await settled('domained', 'Registered');
    const url = 'https://mcp.domained.example/mcp';
    await publish(cluster, 'domained', `${baseUrl}/t/domained/mcp`, [domain('Pending')]);
    await publish(cluster, 'domained', `${baseUrl}/t/domained/mcp`, [domain('Verified')]);
    await eventually('it is recorded', async () => recorded(await read('domained')).includes(url));
    expect(workos.resources()).toContain(url);
    await publish(cluster, 'domained', `${baseUrl}/t/domained/mcp`, []);
    await eventually('it is recorded no more', async () => !recorded(await read('domained')).includes(url));
    expect(workos.resources()).not.toContain(url);
    expect(workos.resources()).toContain(`${baseUrl}/t/domained/mcp`);
  });

  test('stay registered for a new owner when the former one is late', async () => {
    for (const name of ['domain-before', 'domain-after']) {
      await createTenant(cluster, name, organizationId);
      await settled(name, 'Registered');
    }
    const url = 'https://mcp.handed.example/mcp';
    const own = (name: string) => `${baseUrl}/t/${name}/mcp`;
    const before = await publish(cluster, 'domain-before', own('domain-before'), [domain('Verified', 'mcp.handed.example')]);
    await eventually('it is recorded', async () => recorded(await read('domain-before')).includes(url));
    // The one before has let go, but its control plane has not noticed.
    await plane.stop();
    await publish(cluster, 'domain-before', own('domain-before'), []);
    const late = (await read('domain-before')) ?? before;
    await publish(cluster, 'domain-after', own('domain-after'), [domain('Verified', 'mcp.handed.example')]);
    const after = (await read('domain-after')) ?? before;
    await passing(async (context) => {
      const all = { ...context, tenants: () => [late, after] };
      await reconcile(after, new Set(), all, new AbortController().signal);
      await reconcile(late, new Set(), all, new AbortController().signal);
    });
    expect(workos.resources().filter((uri) => uri === url)).toHaveLength(1);
    expect(recorded(await read('domain-before'))).not.toContain(url);
    expect(recorded(await read('domain-after'))).toContain(url);
    // Nor does the deletion of one whose status still has it.
    await passing(async (context) => {
      const deleted = { ...late, metadata: { ...late.metadata, deletionTimestamp: new Date().toISOString() } };
      const all = { ...context, tenants: () => [deleted, after] };
      await reconcile(deleted, new Set(), all, new AbortController().signal).catch((error: unknown) =>
        expect(error).toMatchObject({ reason: 'Conflict' }),
      );
    });
    expect(workos.resources()).toContain(url);
    plane = await start();
  });

  const recorded = (tenant: Tenant | undefined) => tenant?.status?.authorization?.resources?.map(({ url }) => url) ?? [];
  const domain = (state: 'Pending' | 'Verified', host = 'mcp.domained.example') => ({
    domain: host,
    state,
    record: { name: `_tenantry-challenge.${host}`, type: 'TXT' as const, value: 'tenantry=00' },
    mcp: `https://${host}/mcp`,
    message: '',
  });
});

describe('an interrupted registration', () => {
  test('of a tenant without a finalizer is removed by the sweep', async () => {
    const others = ['https://elsewhere.example/mcp', `${baseUrl}/other`];
    const orphan = `${baseUrl}/t/orphan/mcp`;
    for (const uri of [...others, orphan]) await rest().post('/user_management/authkit_oauth_resources', { uri });
    await createTenant(cluster, 'beside-orphan', organizationId);
    await settled('beside-orphan', 'Registered');
    await eventually('the orphan is gone', async () => !workos.resources().includes(orphan));
    expect(workos.resources()).toEqual(expect.arrayContaining([...others, `${baseUrl}/t/beside-orphan/mcp`]));
  });

  test('is finished by the next reconcile', async () => {
    const url = `${baseUrl}/t/cut-off/mcp`;
    await rest().post('/user_management/authkit_oauth_resources', { uri: url });
    await createTenant(cluster, 'cut-off', organizationId);
    const tenant = await settled('cut-off', 'Registered');
    expect(workos.resources().filter((uri) => uri === url)).toHaveLength(1);
    await cluster.client.delete(kinds.Tenant, 'cut-off');
    await eventually('the tenant is gone', async () => (await read('cut-off')) === undefined);
    expect(tenant.status?.authorization?.resources).toHaveLength(1);
    expect(workos.resources()).not.toContain(url);
  });

  test('is repeated after it was removed at WorkOS', async () => {
    await createTenant(cluster, 'swept', organizationId);
    const before = (await settled('swept', 'Registered')).status?.authorization?.resources?.[0]?.id;
    await rest().delete(`/user_management/authkit_oauth_resources/${before}`);
    await eventually('another registration is recorded', async () => {
      const id = (await read('swept'))?.status?.authorization?.resources?.[0]?.id;
      return id !== undefined && id !== before;
    });
    expect(workos.resources()).toContain(`${baseUrl}/t/swept/mcp`);
  });

  test('is not changed by a replica that no longer leads', async () => {
    await createTenant(cluster, 'not-leading', organizationId);
    const tenant = await settled('not-leading', 'Registered');
    const beforeChange = (): void => {
      throw new Error('this replica does not lead any more');
    };
    const before = workos.resources();
    const url = `${baseUrl}/t/elsewhere/mcp`;
    const moved = { ...tenant, status: { ...tenant.status, endpoints: { mcp: url, metadata: url } } };
    await passing(async (context) => {
      const pass = reconcile(moved, new Set(), { ...context, beforeChange }, new AbortController().signal);
      await expect(pass).rejects.toThrow('does not lead');
    });
    expect(workos.resources()).toEqual(before);
  });

  test('needs no write and no request once it is complete', async () => {
    await createTenant(cluster, 'second-pass', organizationId);
    const tenant = await settled('second-pass', 'Registered');
    const wrote: Tenant[] = [];
    const operations: string[] = [];
    const provider = new IdentityProvider(new WorkosConnection({ ...workos, observe: (operation) => operations.push(operation) }));
    await passing(async (context) => {
      const observed = { ...context, provider, wrote: (written: Tenant) => wrote.push(written) };
      expect(await reconcile(tenant, new Set(), observed, new AbortController().signal)).toBeUndefined();
    });
    expect(wrote).toEqual([]);
    expect(operations).toEqual(['reading an organization']);
  });

  test('shows an outage in the condition and recovers', async () => {
    await outage(async () => {
      await createTenant(cluster, 'outage', organizationId);
      const tenant = await settled('outage', 'ProviderUnavailable');
      expect(ready(tenant)).toMatchObject({ status: 'False', message: expect.stringMatching(/^WorkOS did not answer/) });
    });
    await settled('outage', 'Registered');
  });

  test('keeps the finalizer while a removal fails', async () => {
    await createTenant(cluster, 'stuck', organizationId);
    await settled('stuck', 'Registered');
    await outage(async () => {
      await cluster.client.delete(kinds.Tenant, 'stuck');
      const tenant = await settled('stuck', 'ProviderUnavailable');
      expect(tenant.metadata.finalizers).toContain(finalizers.authorization);
      expect(ready(tenant)?.message).toContain('OAuth resources are not removed yet');
    });
    await eventually('the tenant is gone', async () => (await read('stuck')) === undefined, 40_000);
    expect(workos.resources()).not.toContain(`${baseUrl}/t/stuck/mcp`);
  });

  test('reads the organizations of many tenants in pages', async () => {
    const many = Array.from({ length: 60 }, (_, i) => ({ name: `many-${i}`, id: workos.createOrganization({ name: `Many ${i}` }).id }));
    await Promise.all(many.map(({ name, id }) => createTenant(cluster, name, id)));
    for (const { name } of many) await settled(name, 'Registered');
    await plane.stop();
    const reads = () => workos.requests()['GET /organizations/:id'] ?? 0;
    const before = reads();
    plane = await start();
    await createTenant(cluster, 'after-many', organizationId);
    await settled('after-many', 'Registered');
    expect(reads() - before).toBeLessThan(10);
    for (const { name } of many) await cluster.client.delete(kinds.Tenant, name);
  });

  test('is completed after a restart of the control plane', async () => {
    await createTenant(cluster, 'gone-meanwhile', organizationId);
    await settled('gone-meanwhile', 'Registered');
    await plane.stop();
    await cluster.client.delete(kinds.Tenant, 'gone-meanwhile');
    await createTenant(cluster, 'made-meanwhile', organizationId);
    plane = await start();
    await eventually('the tenant is gone', async () => (await read('gone-meanwhile')) === undefined);
    await settled('made-meanwhile', 'Registered');
    expect(workos.resources()).not.toContain(`${baseUrl}/t/gone-meanwhile/mcp`);
  });
});

describe('the endpoints of pods', () => {
  let uid: string;

  beforeAll(async () => {
    uid = (await createTenant(cluster, 'pods', organizationId)).metadata.uid ?? '';
    await createNamespace(cluster, 'pods', uid);
  });

  function ask(path: string, token?: string) {
    return fetch(`${plane.url}${path}`, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  }

  async function newMember(email: string) {
    const user = await workos.createUser({ email });
    return { user, membership: workos.createMembership({ userId: user.id, organizationId }) };
  }

  test("confirm only members of the tenant's organization", async () => {
    const token = await podToken(cluster, namespaceOf('pods'));
    const { user } = await newMember('member@example.com');
    const stranger = await workos.createUser({ email: 'stranger@example.com' });
    const answer = await ask(`/pods/v1/members/${user.id}`, token);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ member: true, role: 'member', permissions: [], access: 'all' });
    expect(await (await ask(`/pods/v1/members/${stranger.id}`, token)).json()).toEqual({ member: false });
    for (const nobody of ['user_01NOBODY', 'client_01APPLICATION', '..%2F..%2Forganizations']) {
      expect(await (await ask(`/pods/v1/members/${nobody}`, token)).json()).toEqual({ member: false });
    }
  });

  test('refuse a deactivated member', async () => {
    const token = await podToken(cluster, namespaceOf('pods'));
    const { user, membership } = await newMember('left@example.com');
    workos.deactivate(membership.id);
    expect(await (await ask(`/pods/v1/members/${user.id}`, token)).json()).toEqual({ member: false });
  });

  test('confirm no member of a tenant without an organization', async () => {
    const tenant = await createTenant(cluster, 'pods-alone');
    await createNamespace(cluster, 'pods-alone', tenant.metadata.uid ?? '');
    const { user } = await newMember('somebody@example.com');
    const token = await podToken(cluster, namespaceOf('pods-alone'));
    expect(await (await ask(`/pods/v1/members/${user.id}`, token)).json()).toEqual({ member: false });
  });

  test('return the keys of the AuthKit domain', async () => {
    const answer = await ask('/pods/v1/jwks', await podToken(cluster, namespaceOf('pods')));
    expect(answer.headers.get('cache-control')).toBe('max-age=300');
    expect(await answer.json()).toEqual(await (await fetch(`${workos.issuer}/oauth2/jwks`)).json());
  });

  test.each<[string, () => Promise<string | undefined>]>([
    ['no token', async () => undefined],
    ['a token of another audience', () => podToken(cluster, namespaceOf('pods'), 'tenant', 'https://kubernetes.default.svc.cluster.local')],
    ['a token of another ServiceAccount', () => podToken(cluster, namespaceOf('pods'), 'other')],
    ['a token from a namespace without a tenant', () => podToken(cluster, 'default', 'default')],
    ["an administrator's token", () => workos.adminToken({ userId: 'user_1', permissions: ['tenants:read'] })],
  ])('refuse %s', async (_name, token) => {
    const answer = await ask('/pods/v1/jwks', await token());
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="tenantry-pods"');
    expect(await answer.json()).toMatchObject({ type: 'https://tenantry.dev/problems/unauthenticated', status: 401 });
  });

  test("refuse a namespace with another tenant's UID", async () => {
    await createTenant(cluster, 'namesake', organizationId);
    await createNamespace(cluster, 'namesake', uid);
    expect((await ask('/pods/v1/jwks', await podToken(cluster, namespaceOf('namesake')))).status).toBe(401);
  });

  test('answer 503 for members and return known keys without WorkOS', async () => {
    const organization = workos.createOrganization({ name: 'Never seen' });
    const user = await workos.createUser({ email: 'during@example.com' });
    workos.createMembership({ userId: user.id, organizationId: organization.id });
    const tenant = await createTenant(cluster, 'pods-unseen', organization.id);
    await createNamespace(cluster, 'pods-unseen', tenant.metadata.uid ?? '');
    const token = await podToken(cluster, namespaceOf('pods-unseen'));
    expect((await ask('/pods/v1/jwks', token)).status).toBe(200);
    await outage(async () => {
      const answer = await ask(`/pods/v1/members/${user.id}`, token);
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toBe('5');
      expect((await ask('/pods/v1/jwks', token)).status).toBe(200);
    });
  });

  test('the log has no token, key or e-mail address', () => {
    const log = plane.lines.join('\n');
    expect(log).toContain('/pods/v1/members/:userId');
    expect(log).not.toContain(workos.apiKey);
    expect(log).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
    expect(log).not.toContain('@example.com');
  });
});

function rest(): WorkOS {
  return new WorkOS(workos.apiKey, { clientId: workos.clientId, apiHostname: 'localhost', https: false, port: workos.port });
}
