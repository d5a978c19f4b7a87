import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { labels, namespaceOf, pod } from '../../../../crds/names.ts';
import { kinds } from '../../../../kube/resources.ts';
import { AdminApi } from '../../../admin-api.ts';
import { type Customer, newCustomer, viaApi } from '../../../customer.ts';
import { forms, type SecretObject, shortest, valuesOf } from '../../../log-watch.ts';
import { World } from '../../../world.ts';

interface Answer {
  readonly operation: string;
  readonly status: number;
  readonly text: string;
}
interface Asking {
  readonly body?: object;
  /** Null for none; a platform administrator's when left out. */
  readonly token?: string | null;
}

const world = new World();
const api = new AdminApi();
const answers: Answer[] = [];
const secrets = new Map<string, string>();
const template = `secrets-${api.run}`;
let customer: Customer;

beforeAll(async () => {
  customer = await newCustomer(world, viaApi);
});

afterAll(async () => {
  await world.remove(customer.name);
  await world.kube.delete(kinds.StackTemplate, template);
  await world.kube.close();
});

/** Keeps what the answer has besides its status: headers may tell as much as bodies. */
async function ask(operation: string, method: string, path: string, { body, token = world.context.adminToken }: Asking = {}) {
  const response = await fetch(world.context.adminUrl + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  answers.push({ operation, status: response.status, text: `${JSON.stringify([...response.headers])}\n${text}` });
  return text.startsWith('{') ? (JSON.parse(text.split('\n')[0] ?? '') as Record<string, unknown>) : {};
}

/** Remembers what the tenant's Secrets have now. */
async function remember(): Promise<void> {
  const { items } = await world.kube.list<SecretObject>(kinds.Secret, { labelSelector: `${labels.managedBy}=tenantry` });
  for (const secret of items)
    for (const [name, value] of valuesOf(secret))
      if (value.length >= shortest) secrets.set(value, `${name} of ${secret.metadata.namespace}/${secret.metadata.name}`);
}

test('no operation returns a secret, except the creation of an API key', async () => {
  const { name, organizationId, tenant, member } = customer;
  const at = `/admin/tenants/${name}`;
  const domain = `secrets-${api.run}.example.com`;
  const account = async (namespace: string, of: string) => {
    const spec = { audiences: [pod.tokenAudience], expirationSeconds: 600 };
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const made = await world.kube.post<{ status: { token: string } }>(kinds.ServiceAccount, of, 'token', request, { namespace });
    return made.status.token;
  };
  const [podToken, operatorToken] = [
    await account(namespaceOf(name), pod.serviceAccount),
    await account('tenantry-system', 'tenantry-operator'),
  ];
  await remember();

  await ask('changeTenant', 'PATCH', at, { body: { displayName: 'Secretive' } });
  await ask('addDomain', 'POST', `${at}/domains`, { body: { domain } });
  const made = await ask('createApiKey', 'POST', `${at}/api-keys`, { body: { name: 'shown', scopes: ['mcp'] } });
  const { id, key } = made as { id: string; key: string };
  secrets.set(key, 'the API key');
  const { rotationRequest } = await ask('rotateTenant', 'POST', `${at}/rotate`);
  await world.until(name, ({ status }) => status?.secrets?.rotationRequest === rotationRequest);
  await remember();
  await ask('suspendTenant', 'POST', `${at}/suspend`);
  await ask('resumeTenant', 'POST', `${at}/resume`);
  await world.ready(name);
  await remember();
  await ask('applyTemplate', 'PUT', `/admin/templates/${template}`, { body: { containers: [{ name: 'api', image: 'none' }] } });
  await ask('createTenant', 'POST', '/admin/tenants?dryRun=true', { body: { name: `dry-${name}`, template: { name: 'toolbridge' } } });
  await ask('setService', 'PUT', `${at}/services/notes`, { body: { enabled: true } });
  await ask('verifyDomain', 'POST', `${at}/domains/${domain}/verify`);
  const read: readonly [operation: string, path: string][] = [
    ['listTenants', '/admin/tenants?limit=500'],
    ['getTenant', at],
    ['listServices', `${at}/services`],
    ['listDomains', `${at}/domains`],
    ['connectTenant', `${at}/connect`],
    ['listApiKeys', `${at}/api-keys`],
    ['listTemplates', '/admin/templates'],
    ['getTemplate', '/admin/templates/toolbridge'],
    ['listTemplateRevisions', '/admin/templates/toolbridge/revisions'],
    ['listAuditRecords', `/admin/audit?tenant=${name}&limit=500`],
    ['verifyAudit', `/admin/audit/verify?tenant=${name}`],
    ['exportAudit', `/admin/audit/export?tenant=${name}`],
    ['listAuditHeads', `/admin/audit/heads?tenant=${name}`],
    ['listAuditKeys', '/admin/audit/keys'],
    ['getAuthConfig', '/v1/auth/config'],
  ];
  for (const [operation, path] of read) await ask(operation, 'GET', path);
  await ask('findTenant', 'GET', '/v1/auth/tenant', { token: customer.session.accessToken });
  await ask('getUserKeys', 'GET', '/pods/v1/jwks', { token: podToken });
  await ask('getMember', 'GET', `/pods/v1/members/${member.userId}`, { token: podToken });
  await ask('recordToolCalls', 'POST', '/pods/v1/audit', { token: podToken, body: { records: [], keys: [] } });
  await ask('recordRotations', 'POST', '/operator/v1/audit', { token: operatorToken, body: { records: [] } });
  await ask('receiveWebhook', 'POST', '/webhooks/workos', { token: null, body: {} });
  await ask('removeDomain', 'DELETE', `${at}/domains/${domain}`);
  await ask('revokeApiKey', 'DELETE', `${at}/api-keys/${id}`);
  await ask('deleteTenant', 'DELETE', `${at}?data=delete`);

  const document = JSON.parse(await (await fetch(`${world.context.adminUrl}/openapi.json`)).text()) as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  expect(answers.map(({ operation }) => operation).sort()).toEqual(operations.sort());
  const failed = answers.filter(({ operation, status }) => status >= 400 && operation !== 'receiveWebhook');
  expect(failed).toEqual([]);

  for (const [what, file] of [
    ["the password of the control plane's database", 'store-password'],
    ['the key of the audit', 'audit-key.pem'],
  ] as const)
    secrets.set(readFileSync(join(world.context.folder, file), 'utf8').trim(), what);
  secrets.set(world.context.workos.apiKey, 'the key of WorkOS');
  secrets.set(world.context.workos.webhookSecret ?? '', 'the secret of the webhook');
  secrets.set(new URL(world.context.postgresUrl).password, 'the password of PostgreSQL');
  secrets.set(world.context.adminToken, 'the token of the administrator');
  secrets.set(customer.session.accessToken, "the user's token");
  secrets.delete('');
  expect([organizationId, tenant.metadata.uid].filter((value) => secrets.has(value ?? ''))).toEqual([]);
  expect(secrets.size).toBeGreaterThan(12);

  expect(answers.find(({ operation }) => operation === 'createApiKey')?.text.split(key).length).toBe(2);
  const leaks = answers.flatMap(({ operation, text }) => {
    const shown = operation === 'createApiKey' ? text.replace(key, '') : text;
    const both = (value: string) => [value, Buffer.from(value).toString('base64'), JSON.stringify(value).slice(1, -1)];
    const byValue = [...secrets].filter(([value]) => both(value).some((form) => shown.includes(form))).map(([, what]) => what);
    const byForm = forms.filter(([, form]) => form.test(shown)).map(([what]) => what);
    return [...byValue, ...byForm].map((what) => `${operation} tells ${what}`);
  });
  expect(leaks).toEqual([]);
}, 240_000);
