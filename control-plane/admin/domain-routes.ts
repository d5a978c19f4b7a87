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
      .describe(
        'Pending: the DNS record was not found yet. Verified: the host name serves. Conflict: the host name belongs to another tenant.',
      ),
    record: z
      .object({ name: z.string(), type: z.enum(['TXT']), value: z.string() })
      .describe('DNS record that proves that the host name is yours. Create it at your DNS provider.'),
    mcp: z.string().optional().describe('URL that LLM clients connect to.'),
    api: z.string().optional().describe('URL of the REST API, if the template publishes it.'),
    message: z.string().describe('The state in one sentence.'),
  })
  .meta({ id: 'Domain' });

type DomainState = z.infer<typeof domainState>;

/** The routes for custom host names of a tenant: list, add, verify and remove. */
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
        description: 'Each host name has its TXT record, and its URLs once it is verified.',
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
        description: 'The answer has a TXT record. The host name serves once this record exists in DNS.',
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
        if (domains.includes(domain)) throw new Problem('domain-exists', `Tenant ${name} already has the domain ${domain}.`);
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
          'The operator also looks up the record by itself, first every half minute and later every ten minutes. The list of host names shows the result.',
        params: byDomain,
        response: { 202: domainState.describe('The state before the lookup, which has been requested from the operator.') },
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
        description: 'Another tenant can verify it as soon as the operator has released it.',
        params: byDomain,
        querystring: z.strictObject({ force }),
        response: { 204: z.null().describe('The host name is removed.') },
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

/** The state that the operator has recorded, or Pending before that. */
function stateOf({ metadata, status }: Tenant, domain: string): DomainState {
  const record = domainProof(metadata.uid ?? '', domain);
  const known = status?.domains?.find((one) => one.domain === domain);
  if (known === undefined)
    return { domain, state: 'Pending', record, message: `Enter the TXT record ${record.name} at your DNS provider.` };
  const { mcp, api, ...rest } = known;
  return { ...rest, ...(mcp === undefined ? {} : { mcp }), ...(api === undefined ? {} : { api }) };
}
