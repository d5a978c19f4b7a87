import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { apiVersion } from './names.ts';
import { lineOf, type ObjectMeta, rules, textOf } from './schema.ts';
import { environmentName, isOperatorVariable, resourceAmounts, resources } from './tenant.ts';

const httpPath = z.string().min(1).max(512).regex(/^\//, 'must be a path that begins with /');
const jsonPointer = z
  .string()
  .min(1)
  .max(512)
  .regex(/^(\/[^/]+)+$/, 'must be a JSON pointer such as /pageSize');
const secretName = z
  .string()
  .max(40)
  .regex(/^[a-z][-a-z0-9]*$/, 'must be the name of a secret: lower-case letters, digits and hyphens');

const templateVariable = z
  .strictObject({
    name: environmentName,
    value: textOf(4096).optional().describe('A fixed value.'),
    parameter: jsonPointer
      .optional()
      .describe(
        "JSON pointer into the tenant's parameters, such as /pageSize. If the tenant has no such value, the pod does not get the variable.",
      ),
    secret: secretName.optional().describe('Name of a secret generated for the tenant.'),
  })
  .describe('One environment variable, from exactly one source.')
  .meta(
    rules.cel({
      rule: '[has(self.value), has(self.parameter), has(self.secret)].filter(x, x).size() == 1',
      message: 'set exactly one of value, parameter and secret',
    }),
  );

const maxResources = resourceAmounts.describe(
  'Highest resources that a tenant may request for this container. Default: 4 cores, 8Gi of memory and 10Gi of ephemeral storage.',
);

const command = z.array(textOf(4096)).max(50);

const container = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be the name of a container: lower-case letters, digits and hyphens')
      .describe('Name of the container. The API of the container `api` becomes tools.'),
    image: lineOf(512).min(1).describe('Image reference.'),
    command: command.optional().describe("Replaces the image's entry point."),
    args: command.optional().describe("Replaces the image's arguments."),
    env: z.array(templateVariable).max(50).optional().describe('Environment of the container.').meta(rules.listMap('name')),
    tenantEnv: z
      .array(
        environmentName
          .refine((name) => !isOperatorVariable(name), 'is set by the operator; leave it out')
          .meta(
            rules.cel({
              rule: "!self.startsWith('TENANTRY_') && !(self in ['POD_IP', 'HOST', 'PORT', 'DATABASE_URL'])",
              message: 'is set by the operator; leave it out',
            }),
          ),
      )
      .max(50)
      .optional()
      .describe(
        'Names of the variables that a tenant may set. Default: none. Many programs load code from variables, so list only variables that your program reads itself and does not trust.',
      )
      .meta({ 'x-kubernetes-list-type': 'set' }),
    resources: resources.optional(),
    maxResources: maxResources.optional(),
    readyPath: httpPath
      .optional()
      .describe('Path on the API port that answers 200 when the container can serve; /readyz for `api` when left out.'),
    livePath: httpPath
      .optional()
      .describe('Path on the API port that answers 200 while the process is alive; no liveness probe when left out.'),
  })
  .describe('A container of the pod. It must run without root and with a read-only root file system.');

/** `spec` of a StackTemplate as a platform administrator writes it. */
export const stackTemplateSpec = z
  .strictObject({
    displayName: lineOf(100).min(1).optional().describe('Name shown to people.'),
    description: textOf(2000).optional().describe('Description of the stack for people.'),
    containers: z
      .array(container)
      .min(1)
      .max(5)
      .describe('Containers of the pod; the MCP sidecar `mcp` is always added to them.')
      .meta({
        ...rules.listMap('name'),
        ...rules.cel(
          { rule: "self.exists(c, c.name == 'api')", message: 'one container must be named api' },
          { rule: "!self.exists(c, c.name == 'mcp')", message: 'the container name mcp is reserved for the MCP sidecar' },
        ),
      }),
    mcp: z
      .strictObject({ resources: resources.optional(), maxResources: maxResources.optional() })
      .optional()
      .describe('Settings of the MCP sidecar.'),
    database: z
      .strictObject({
        migration: z
          .strictObject({
            command: command.optional().describe("Replaces the image's entry point."),
            args: command.optional().describe("Replaces the image's arguments."),
          })
          .optional()
          .describe('Command that runs in the image of `api`, with DATABASE_URL set, before the pod is updated.'),
      })
      .optional()
      .describe('If set, each tenant has a PostgreSQL database of its own, and every container of the template gets DATABASE_URL.'),
    secrets: z
      .array(
        z.strictObject({
          name: secretName.describe('Name of the secret in this template.'),
          bytes: z.int().min(16).max(256).default(32).describe('Random bytes before encoding as base64url.'),
        }),
      )
      .max(20)
      .optional()
      .describe('Secrets generated for each tenant.')
      .meta(rules.listMap('name')),
    parameters: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('JSON Schema (2020-12) of spec.parameters of a Tenant. Its defaults apply. Without a schema no parameters are allowed.')
      .meta(rules.preserveUnknown),
    openapi: z
      .strictObject({ path: httpPath.default('/openapi.json').describe('Path of the OpenAPI document on the API port.') })
      .optional()
      .describe('Source of the OpenAPI document.'),
    upstreamAuth: z
      .strictObject({
        mode: z
          .enum(['assertion', 'static', 'none'])
          .describe('assertion: a signed JWT of 60 seconds for each call. static: a generated secret in a header. none: nothing.'),
        header: z
          .string()
          .max(128)
          .regex(/^[A-Za-z][-A-Za-z0-9]*$/, 'must be the name of a header: letters, digits and hyphens')
          .optional()
          .describe('Header that carries the static secret.'),
        secret: secretName.optional().describe('Name of the generated secret that is sent.'),
      })
      .optional()
      .describe('How the API learns who calls. Default: assertion.')
      .meta(
        rules.cel({
          rule: "self.mode == 'static' ? has(self.header) && has(self.secret) : !has(self.header) && !has(self.secret)",
          message: 'header and secret are required for mode static and only allowed there',
        }),
      ),
    services: z
      .array(
        z.strictObject({
          name: z
            .string()
            .min(1)
            .max(40)
            .regex(/^[a-z][-a-z0-9]*$/, 'must be the name of a service: lower-case letters, digits and hyphens')
            .describe('Name of the service.'),
          title: lineOf(100).min(1).optional().describe('Name shown to people.'),
          description: textOf(500).optional().describe('Features that are missing while the service is off.'),
          default: z.boolean().default(true).describe('Whether the service is on for tenants that do not set it.'),
          tags: z
            .array(lineOf(100).min(1))
            .min(1)
            .max(20)
            .optional()
            .describe("Tags of the API's operations that belong to the service. Default: the name of the service."),
        }),
      )
      .max(50)
      .optional()
      .describe('Features that a tenant can turn on or off.')
      .meta(rules.listMap('name')),
    publicApi: z.boolean().optional().describe('Whether the REST API is published beside the MCP endpoint, under /api.'),
  })
  .describe('The contents that every tenant of this template receives.');

export type StackTemplateSpec = z.infer<typeof stackTemplateSpec>;
export type TemplateContainer = StackTemplateSpec['containers'][number];

/** A StackTemplate as the API server returns it. */
export interface StackTemplate {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'StackTemplate';
  readonly metadata: ObjectMeta;
  readonly spec: StackTemplateSpec;
}

/** Revision of a template's contents: the first 10 hexadecimal digits of the SHA-256 of its spec, independent of the order of its keys. */
export function revisionOf(spec: StackTemplateSpec): string {
  // canonicalJson of audit/ orders keys that are numbers differently: here they come first. The order must never change, because stored
  // revisions are named by it.
  const text = JSON.stringify(spec, (_key, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 10);
}

/** `spec` of a StackTemplateRevision: one state of a template's contents. */
export const stackTemplateRevisionSpec = z
  .strictObject({
    template: z.string().min(1).max(63).describe('Name of the StackTemplate.'),
    revision: z.string().length(10).describe('Hash of the contents.'),
    spec: stackTemplateSpec,
  })
  .describe('Contents of a template that never change again.')
  .meta(rules.cel({ rule: 'self.template == oldSelf.template && self.revision == oldSelf.revision', message: 'a revision is immutable' }));

/** A StackTemplateRevision as the API server returns it. It is valid only if `revisionOf` its contents equals its revision. */
export interface StackTemplateRevision {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'StackTemplateRevision';
  readonly metadata: ObjectMeta;
  readonly spec: z.infer<typeof stackTemplateRevisionSpec>;
}

export function revisionName(template: string, revision: string): string {
  return `${template}-${revision}`;
}

/** The switches of a template with the tenant's settings. */
export function servicesOf(template: StackTemplateSpec, chosen: Readonly<Record<string, boolean>> = {}): Record<string, boolean> {
  return Object.fromEntries((template.services ?? []).map(({ name, default: standard }) => [name, chosen[name] ?? standard ?? true]));
}
