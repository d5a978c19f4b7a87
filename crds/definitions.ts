import { stringify } from 'yaml';
import { z } from 'zod';
import { apiKeySpec } from './api-keys.ts';
import { domainClaimSpec } from './domains.ts';
import { group, reservedTenantNames, tenantNameMaxLength, tenantNamePattern, version } from './names.ts';
import { stackTemplateRevisionSpec, stackTemplateSpec } from './stack-template.ts';
import { tenantSpec, tenantStatus } from './tenant.ts';

type Json = Record<string, unknown>;

/** Keywords of JSON Schema that a structural schema does not support or does not need. */
const dropped = new Set(['$schema', 'propertyNames', 'additionalProperties', 'x-kubernetes-validations']);

function structural(schema: Json): Json {
  const result: Json = {};
  for (const [key, value] of Object.entries(schema)) if (!dropped.has(key)) result[key] = value;
  if (schema['type'] === 'integer') {
    result['format'] = 'int64';
    if (schema['maximum'] === Number.MAX_SAFE_INTEGER) delete result['maximum'];
    if (schema['minimum'] === Number.MIN_SAFE_INTEGER) delete result['minimum'];
  }
  if (schema['properties'] !== undefined) {
    result['properties'] = Object.fromEntries(
      Object.entries(schema['properties'] as Record<string, Json>).map(([k, v]) => [k, structural(v)]),
    );
  } else if (typeof schema['additionalProperties'] === 'object' && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    result['additionalProperties'] = structural(schema['additionalProperties'] as Json);
  }
  if (schema['items'] !== undefined) result['items'] = structural(schema['items'] as Json);
  const validations = schema['x-kubernetes-validations'];
  if (validations !== undefined) result['x-kubernetes-validations'] = validations;
  return result;
}

function schemaOf(schema: z.ZodType): Json {
  return structural(z.toJSONSchema(schema, { io: 'input', reused: 'inline' }) as Json);
}

interface Definition {
  readonly kind: string;
  readonly namespaced?: boolean;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status?: z.ZodType;
  readonly validations?: readonly { rule: string; message: string }[];
  readonly columns: readonly Json[];
}

const column = (name: string, jsonPath: string, description: string, extra: Json = {}): Json => ({
  name,
  type: 'string',
  jsonPath,
  description,
  ...extra,
});
const age = column('Age', '.metadata.creationTimestamp', 'Time since creation.', { type: 'date' });

const definitions: readonly Definition[] = [
  {
    kind: 'Tenant',
    plural: 'tenants',
    shortNames: ['tn'],
    description: 'A customer and its own MCP stack: pods with a REST API and an MCP endpoint, database, secrets, route and policies.',
    spec: tenantSpec,
    status: tenantStatus,
    validations: [
      {
        rule: `self.metadata.name.size() <= ${tenantNameMaxLength}`,
        message: `a tenant's name has at most ${tenantNameMaxLength} characters`,
      },
      {
        rule: `self.metadata.name.matches('${tenantNamePattern}')`,
        message: "a tenant's name is a DNS label: lower-case letters, digits and hyphens, starting with a letter",
      },
      {
        rule: `!(self.metadata.name in [${reservedTenantNames.map((name) => `'${name}'`).join(', ')}])`,
        message: 'this name is reserved; choose another name',
      },
    ],
    columns: [
      column('Template', '.spec.template.name', 'Template of the stack.'),
      column('Ready', '.status.conditions[?(@.type=="Ready")].status', 'Whether the stack serves.'),
      column('Endpoint', '.status.endpoints.mcp', 'URL for LLM clients.'),
      age,
      column('Phase', '.status.phase', 'The conditions in one word.', { priority: 1 }),
      column('Organization', '.spec.organizationId', 'WorkOS organization.', { priority: 1 }),
      column('Message', '.status.conditions[?(@.type=="Ready")].message', 'Message of the condition Ready.', { priority: 1 }),
    ],
  },
  {
    kind: 'StackTemplate',
    plural: 'stacktemplates',
    shortNames: ['stpl'],
    description: 'Describes the stack of its tenants. A person who may write one decides which code runs.',
    spec: stackTemplateSpec,
    columns: [column('Name', '.spec.displayName', 'Name shown to people.'), age],
  },
  {
    kind: 'StackTemplateRevision',
    plural: 'stacktemplaterevisions',
    shortNames: ['stplrev'],
    description:
      'Present or former contents of a StackTemplate. The operator creates it. A tenant can pin one with spec.template.revision.',
    spec: stackTemplateRevisionSpec,
    columns: [column('Template', '.spec.template', 'Template.'), column('Revision', '.spec.revision', 'Hash of the contents.'), age],
  },
  {
    kind: 'ApiKey',
    namespaced: true,
    plural: 'apikeys',
    shortNames: ['tnkey'],
    description: 'An API key of the tenant whose namespace it is in: its hash and its permissions. Deleting it revokes the key.',
    spec: apiKeySpec,
    columns: [
      column('Name', '.spec.displayName', 'Name shown to people.'),
      column('Key', '.spec.keyId', 'Public part of the key.'),
      column('Expires', '.spec.expiresAt', 'When it expires.'),
      age,
    ],
  },
  {
    kind: 'DomainClaim',
    plural: 'domainclaims',
    shortNames: ['tndom'],
    description: 'A custom host name that a tenant has proved to own. The operator creates and deletes it.',
    spec: domainClaimSpec,
    columns: [column('Tenant', '.spec.tenant', 'Tenant that owns it.'), age],
  },
];

function definitionOf(definition: Definition): Json {
  const { kind, plural, shortNames } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: definition.namespaced ? 'Namespaced' : 'Cluster',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List`, shortNames },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          ...(definition.status ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: definition.columns,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: definition.description,
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string', description: `Always ${group}/${version}.` },
                kind: { type: 'string', description: `Always ${kind}.` },
                metadata: { type: 'object' },
                spec: schemaOf(definition.spec),
                ...(definition.status ? { status: schemaOf(definition.status) } : {}),
              },
              ...(definition.validations ? { 'x-kubernetes-validations': definition.validations } : {}),
            },
          },
        },
      ],
    },
  };
}

/**
 * The CustomResourceDefinitions as YAML, by file name. Their schemas are made from the zod schemas and are structural:
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
export function definitionFiles(): ReadonlyMap<string, string> {
  return new Map(
    definitions.map((definition) => [
      `${definition.plural}.yaml`,
      `# Generated by \`npm run generate\` from crds/*.ts. Do not edit.\n${stringify(definitionOf(definition), { lineWidth: 0, aliasDuplicateObjects: false })}`,
    ]),
  );
}
