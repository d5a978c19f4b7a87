import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { revisionOf, type StackTemplate, stackTemplateSpec } from '../../crds/stack-template.ts';
import type { Access } from '../access/access.ts';
import { demanded, isKnown } from '../http/entity-tags.ts';
import { operation } from '../http/operation.ts';
import { byTemplate, dryRun, force, ifMatch, ifNoneMatch } from './parameters.ts';
import type { Templates } from './templates.ts';

const tags = ['templates'];

z.globalRegistry.add(stackTemplateSpec, { ...stackTemplateSpec.meta(), id: 'TemplateSpec' });

const revisionHash = z.string().describe('Hash of the contents. A tenant pins a revision with spec.template.revision.');
const template = z
  .object({
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string().describe('Changes with every change. It is also in the ETag.'),
    createdAt: z.string().meta({ format: 'date-time' }),
    revision: revisionHash,
    spec: stackTemplateSpec,
  })
  .meta({ id: 'Template' });
const revision = z
  .object({
    revision: revisionHash,
    createdAt: z.string().meta({ format: 'date-time' }),
    current: z.boolean().describe('Whether these are the present contents of the template.'),
    spec: stackTemplateSpec,
  })
  .meta({ id: 'TemplateRevision' });

/** The routes for templates and their revisions. */
export function templateRoutes(server: FastifyInstance, access: Access, templates: Templates): void {
  const app = server.withTypeProvider<ZodTypeProvider>();

  app.get(
    '/admin/templates',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'listTemplates',
        tags,
        summary: 'List templates by name',
        description: 'Administrators of tenants see only the templates of their tenants.',
        response: { 200: z.object({ items: z.array(template) }).meta({ id: 'TemplateList' }) },
        problems: [],
      }),
    },
    async (request, reply) => reply.send({ items: (await templates.list(access.admin(request))).map(represent) }),
  );

  app.get(
    '/admin/templates/:name',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'getTemplate',
        tags,
        summary: 'Read a template',
        description: 'Administrators of tenants can read only the templates of their tenants. Other templates are answered with `404`.',
        params: byTemplate,
        headers: z.looseObject({ 'if-none-match': ifNoneMatch }),
        response: { 200: template, 304: z.null().describe("The caller's copy is up to date.") },
        problems: ['template-not-found'],
        answerHeaders: { 200: ['etag'], 304: ['etag'] },
      }),
    },
    async (request, reply) => {
      const found = await templates.get(access.admin(request), request.params.name);
      const etag = etagOf(found);
      reply.header('etag', etag);
      if (isKnown(request.headers['if-none-match'], etag)) return reply.status(304).send(null);
      return reply.send(represent(found));
    },
  );

  app.put(
    '/admin/templates/:name',
    {
      onRequest: access.allow('templates:write', 'templates.apply', 'platform'),
      schema: operation({
        operationId: 'applyTemplate',
        tags,
        summary: 'Create or replace a template',
        description:
          'For administrators of the platform, because a template decides which code runs. Its tenants get the new contents, except those that pin a revision. ' +
          'Changes of fields of another field manager are refused without `force`.',
        params: byTemplate,
        querystring: z.strictObject({ dryRun, force }),
        headers: z.looseObject({ 'if-match': ifMatch }),
        body: stackTemplateSpec,
        response: {
          200: template.describe('The template after the change. A dry run does not store it.'),
          201: template.describe('The template has been created.'),
        },
        problems: ['invalid-query', 'template-not-found', 'field-managed', 'refused-by-cluster', 'precondition-failed'],
        answerHeaders: { 200: ['etag'], 201: ['location', 'etag'] },
      }),
    },
    async (request, reply) => {
      const { params, query, body } = request;
      const options = { ...query, ifMatch: demanded(request.headers['if-match']) };
      const apply = () => templates.apply(params.name, body, options);
      const event = {
        action: 'templates.apply',
        details: { template: params.name, revision: revisionOf(body), force: query.force },
      } as const;
      const { template, created } = await (query.dryRun ? apply() : access.perform(request, event, apply));
      reply.header('etag', etagOf(template));
      if (!created || query.dryRun) return reply.send(represent(template));
      return reply.status(201).header('location', `/admin/templates/${params.name}`).send(represent(template));
    },
  );

  app.get(
    '/admin/templates/:name/revisions',
    {
      onRequest: access.allow('tenants:read'),
      schema: operation({
        operationId: 'listTemplateRevisions',
        tags,
        summary: 'List the revisions of a template, latest first',
        description:
          'Tenants can pin these revisions with `template.revision`. The list has the last ten revisions, and older ones that a tenant runs or pins.',
        params: byTemplate,
        response: { 200: z.object({ items: z.array(revision) }).meta({ id: 'TemplateRevisionList' }) },
        problems: ['template-not-found'],
      }),
    },
    async (request, reply) => {
      const admin = access.admin(request);
      const now = revisionOf((await templates.get(admin, request.params.name)).spec);
      const items = (await templates.revisions(admin, request.params.name)).map(({ metadata, spec }) => ({
        revision: spec.revision,
        createdAt: metadata.creationTimestamp ?? '',
        current: spec.revision === now,
        spec: spec.spec,
      }));
      return reply.send({ items });
    },
  );
}

function represent({ metadata, spec }: StackTemplate): z.infer<typeof template> {
  return {
    name: metadata.name,
    uid: metadata.uid ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    createdAt: metadata.creationTimestamp ?? '',
    revision: revisionOf(spec),
    spec,
  };
}

const etagOf = ({ metadata }: StackTemplate): string => `"${metadata.resourceVersion ?? ''}"`;
