import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { domainProof } from '../../crds/domains.ts';
import { annotations } from '../../crds/names.ts';
import { hostName, type Tenant } from '../../crds/tenant.ts';
import { Problem } from '../../problems/problem.ts';
import type { Access } from '../access/access.ts';
import { operation } from '../http/operation.ts';
import { byDomain, byName, force } from './parameters.ts';
import type { Tenants } from './tenants.ts';

const tags = ['domains'];

const domainState = z
  .object({
    domain: z.string(),
    state: z
      .enum(['Pending', 'Verified', 'Conflict'])
      .describe('Pending: the DNS record is not there yet. Verified: it serves. Conflict: another tenant has it.'),
    record: z
      .object({ name: z.string(), type: z.enum(['TXT']), value: z.string() })
      .describe('What to enter at the DNS provider to prove that the host name is yours.'),
    mcp: z.string().optional().describe('URL that LLM clients connect to.'),
    api: z.string().optional().describe('URL of the REST API, where the template publishes it.'),
    message: z.string().describe('One sentence for people.'),
  })
  .meta({ id: 'Domain' });

type DomainState = z.infer<typeof domainState>;

/** Custom host names of a tenant: add, prove by a DNS record, remove. */
export function domainRoutes(server: FastifyInstance, access: Access, tenants: Tenants, now: () => Date): void {
  const app = server.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/admin/tenants/:name/domains',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'listDomains',
        tags,
        summary: 'List the custom host names of a tenant',
        description: 'Each with the TXT record that proves it, and with its URLs once it serves.',
        params: byName,
        response: { 200: z.object({ items: z.array(domainState) }).meta({ id: 'DomainList' }) },
        problems: ['tenant-not-found'],
      }),
    },
    async (request, reply) => {
      const tenant = await tenants.get(access.admin(request), request.params.name);
      return reply.send({ items: (tenant.spec.domains ?? []).map((domain) => stateOf(tenant, domain)) });
    },
  );

  app.post(
    '/admin/tenants/:name/domains',
    {
      onRequest: access.allow('tenants:write', 'domains.add'),
      schema: operation({
        operationId: 'addDomain',
        tags,
        summary: 'Add a custom host name',
        description: 'It serves once the TXT record of the answer proves that it is yours.',
        params: byName,
        querystring: z.strictObject({ force }),
        body: z
          .strictObject({ domain: hostName.describe('The host name, in lower case.') })
          .meta({ id: 'NewDomain', examples: [{ domain: 'mcp.acme.com' }] }),
        response: { 201: domainState },
        problems: [
          'invalid-query',
          'tenant-not-found',
          'domain-exists',
          'tenant-deleting',
          'field-managed',
          'refused-by-cluster',
          'conflict',
        ],
        answerHeaders: { 201: ['location'] },
      }),
    },
    async (request, reply) => {
      const { name } = request.params;
      const { domain } = request.body;
      const add = ({ spec: { domains = [] } }: Tenant) => {
        if (domains.includes(domain)) throw new Problem('domain-exists', `Tenant ${name} has the domain ${domain} already.`);
        return { spec: { domains: [...domains, domain] } };
      };
      const admin = access.admin(request);
      const event = { action: 'domains.add', tenant: await tenants.get(admin, name), details: { domain, ...request.query } } as const;
      const tenant = await access.perform(request, event, () => tenants.change(admin, name, add, request.query));
      return reply.status(201).header('location', `/admin/tenants/${name}/domains/${domain}`).send(stateOf(tenant, domain));
    },
  );

  app.post(
    '/admin/tenants/:name/domains/:domain/verify',
    {
      onRequest: access.allow('tenants:write', 'domains.verify'),
      schema: operation({
        operationId: 'verifyDomain',
        tags,
        summary: 'Look up the DNS record of a host name now',
        description:
          'It only saves waiting: the record is looked up every half minute, later every ten minutes. Read the list of host names for what came out.',
        params: byDomain,
        response: { 202: domainState.describe('The state so far; the operator has been asked to look.') },
        problems: ['tenant-not-found', 'domain-not-found', 'tenant-deleting', 'refused-by-cluster', 'conflict'],
      }),
    },
    async (request, reply) => {
      const { name, domain } = request.params;
      const verify = (current: Tenant) => {
        requireDomain(current, domain);
        return { annotations: { [annotations.verifyDomains]: now().toISOString() } };
      };
      const admin = access.admin(request);
      const event = { action: 'domains.verify', tenant: await tenants.get(admin, name), details: { domain } } as const;
      const tenant = await access.perform(request, event, () => tenants.change(admin, name, verify));
      return reply.status(202).send(stateOf(tenant, domain));
    },
  );

  app.delete(
    '/admin/tenants/:name/domains/:domain',
    {
      onRequest: access.allow('tenants:write', 'domains.remove'),
      schema: operation({
        operationId: 'removeDomain',
        tags,
        summary: 'Remove a custom host name',
        description: 'Another tenant can have it verified as soon as the operator has released it.',
        params: byDomain,
        querystring: z.strictObject({ force }),
        response: { 204: z.null().describe('It serves no more.') },
        problems: [
          'invalid-query',
          'tenant-not-found',
          'domain-not-found',
          'tenant-deleting',
          'field-managed',
          'refused-by-cluster',
          'conflict',
        ],
      }),
    },
    async (request, reply) => {
      const { name, domain } = request.params;
      const remove = (current: Tenant) => {
        requireDomain(current, domain);
        return { spec: { domains: (current.spec.domains ?? []).filter((one) => one !== domain) } };
      };
      const admin = access.admin(request);
      const event = { action: 'domains.remove', tenant: await tenants.get(admin, name), details: { domain, ...request.query } } as const;
      await access.perform(request, event, () => tenants.change(admin, name, remove, request.query));
      return reply.status(204).send(null);
    },
  );
}

function requireDomain({ metadata, spec }: Tenant, domain: string): void {
  if (spec.domains?.includes(domain)) return;
  throw new Problem('domain-not-found', `Tenant ${metadata.name} has no domain ${domain}.`);
}

/** What the operator has found out, or what follows from the tenant alone. */
function stateOf({ metadata, status }: Tenant, domain: string): DomainState {
  const record = domainProof(metadata.uid ?? '', domain);
  const known = status?.domains?.find((one) => one.domain === domain);
  if (known === undefined)
    return { domain, state: 'Pending', record, message: `Enter the TXT record ${record.name} at your DNS provider.` };
  const { mcp, api, ...rest } = known;
  return { ...rest, ...(mcp === undefined ? {} : { mcp }), ...(api === undefined ? {} : { api }) };
}
