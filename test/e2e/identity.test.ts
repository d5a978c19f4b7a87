import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { askForTools } from '../../local/mcp-requests.ts';
import { signIn } from '../../local/sign-in.ts';
import { type Customer, mcpOf, newCustomer, statusWith, viaApi } from '../customer.ts';
import { World } from '../world.ts';
import { containerOf, podOf } from './pods.ts';

/** What was promised: from the removal at WorkOS to the first refusal. */
const outWithinMs = 60_000;

const world = new World();
let customer: Customer;
let url: string;

beforeAll(async () => {
  customer = await newCustomer(world, viaApi);
  url = mcpOf(customer.tenant);
});

afterEach(async () => {
  for (const kind of ['down', 'events']) await outage(kind, 0);
});

afterAll(async () => {
  if (customer !== undefined) await world.remove(customer.name);
});

/** Makes a part of the stand-in fail for so many seconds; 0 ends it. */
async function outage(kind: string, seconds: number): Promise<void> {
  await world.workos('POST', '/stand-in/outage', { kind, seconds });
}

/** Signs a further member in, who is then known to the tenant's pod. */
async function newMember(): Promise<{ userId: string; token: string }> {
  const member = await world.member(customer.organizationId);
  const { client, accessToken } = await signIn(url, member);
  await client.close();
  expect(await statusWith(url, accessToken)).toBe(200);
  return { userId: member.userId, token: accessToken };
}

async function removeFrom(organizationId: string, userId: string): Promise<void> {
  const { data } = (await world.workos(
    'GET',
    `/user_management/organization_memberships?user_id=${userId}&organization_id=${organizationId}`,
  )) as unknown as { data: { id: string }[] };
  expect(data).toHaveLength(1);
  await world.workos('DELETE', `/user_management/organization_memberships/${data[0]?.id}`);
}

const refused = (token: string) => async (): Promise<true | undefined> => {
  const status = await statusWith(url, token);
  expect([200, 401, 403]).toContain(status);
  return status === 200 ? undefined : true;
};

describe('a removed user loses access within a minute without webhooks', () => {
  test('with polled events', async () => {
    const { userId, token } = await newMember();
    await removeFrom(customer.organizationId, userId);
    await world.eventually('a refusal', outWithinMs, refused(token));
    expect(await statusWith(url, customer.session.accessToken)).toBe(200);
  });

  test('with listed memberships while the Events API fails', async () => {
    const { userId, token } = await newMember();
    await outage('events', 600);
    await removeFrom(customer.organizationId, userId);
    await world.eventually('a refusal', outWithinMs, refused(token));
    expect(await statusWith(url, customer.session.accessToken)).toBe(200);
  });

  test('also as an administrator', async () => {
    const { platformOrganizationId } = world.context.workos;
    const admin = await world.member(platformOrganizationId, 'platform-admin');
    const answer = await fetch(`${world.context.workos.apiUrl}/user_management/authenticate`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_id: world.context.workos.clientId,
        client_secret: world.context.workos.apiKey,
        grant_type: 'password',
        email: admin.email,
        password: admin.password,
      }),
    });
    const { access_token: token } = (await answer.json()) as { access_token: string };
    const list = (): Promise<Response> =>
      fetch(`${world.context.adminUrl}/admin/tenants`, { headers: { authorization: `Bearer ${token}` } });
    expect((await list()).status).toBe(200);
    await removeFrom(platformOrganizationId, admin.userId);
    await world.eventually('a refusal', outWithinMs, async () => {
      const { status } = await list();
      expect([200, 401]).toContain(status);
      return status === 401 ? true : undefined;
    });
  });
});

test('while WorkOS is unavailable, known users are served for moments and API keys all the time', async () => {
  const token = customer.session.accessToken;
  expect(await statusWith(url, token)).toBe(200);
  const before = await podOf(world, customer.name);
  await outage('down', 600);
  const answer = await world.eventually('a refusal', outWithinMs, async () => {
    const response = await askForTools(url, token);
    await response.body?.cancel();
    expect([200, 503]).toContain(response.status);
    return response.status === 503 ? response : undefined;
  });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(await statusWith(url, customer.apiKey)).toBe(200);
  await world.eventually('a refusal of administrators', outWithinMs, async () => {
    const response = await fetch(`${world.context.adminUrl}/admin/tenants`, {
      headers: { authorization: `Bearer ${world.context.adminToken}` },
    });
    if (response.status === 200) return undefined;
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await response.json()).toMatchObject({ type: 'https://tenantry.dev/problems/identity-provider-unavailable', status: 503 });
    return true;
  });
  await outage('down', 0);
  await world.eventually('an answer', outWithinMs, async () => ((await statusWith(url, token)) === 200 ? true : undefined));
  const after = await podOf(world, customer.name);
  expect(after.metadata.uid).toBe(before.metadata.uid);
  expect(containerOf(after, 'mcp').restartCount).toBe(containerOf(before, 'mcp').restartCount);
});
