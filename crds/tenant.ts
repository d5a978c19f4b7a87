import { z } from 'zod';
import { containsRange, isCidr, metadataRanges } from './address-ranges.ts';
import type { Condition } from './conditions.ts';
import { labelKey, labelValue } from './label-syntax.ts';
import { type apiVersion, reservedTenantNames, tenantNameMaxLength, tenantNamePattern } from './names.ts';
import { lineOf, type ObjectMeta, quantity, rules, textOf } from './schema.ts';

export const environmentName = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable: letters, digits and _, not beginning with a digit')
  .describe('Name of the environment variable.');

/** Whether the operator sets the variable in every container. Templates cannot leave such a variable to tenants. */
export function isOperatorVariable(name: string): boolean {
  return name.startsWith('TENANTRY_') || ['POD_IP', 'HOST', 'PORT', 'DATABASE_URL'].includes(name);
}

/** Amounts by the name of a resource. Fields instead of a record, so that the API server also refuses other names. */
export const resourceAmounts = z.strictObject({
  cpu: quantity.optional().describe('Processor time, in cores.'),
  memory: quantity.optional().describe('Memory, in bytes.'),
  'ephemeral-storage': quantity.optional().describe("Space on the node's disk, in bytes."),
});

export type ResourceAmounts = Readonly<z.infer<typeof resourceAmounts>>;

export const resources = z
  .strictObject({
    requests: resourceAmounts.optional().describe('Guaranteed amounts by resource name.'),
    limits: resourceAmounts.optional().describe('Upper bounds by resource name.'),
  })
  .describe('Compute resources of the container, in Kubernetes quantities.');

const containerOverride = z
  .strictObject({
    env: z
      .array(z.strictObject({ name: environmentName, value: textOf(4096).describe('Plain value. Never put a secret here.') }))
      .max(50)
      .optional()
      .describe(
        'Variables added to the container, over those of the template. Only names that the template lists in `tenantEnv` of the container; none for the sidecar mcp.',
      )
      .meta(rules.listMap('name')),
    resources: resources.optional().describe('Compute resources of the container, up to `maxResources` of the template.'),
  })
  .describe('Changes to one container of the template.');

const port = z.int().min(1).max(65535);

const metadataRefused = 'must not be the metadata service of a cloud, which hands out the credentials of the node';

const egressRule = z
  .strictObject({
    cidr: z
      .string()
      .max(43)
      .refine(isCidr, 'must be a range of addresses such as 203.0.113.0/24')
      .refine((cidr) => !isCidr(cidr) || !metadataRanges.some((range) => containsRange(range, cidr)), metadataRefused)
      .optional()
      .describe(
        'Addresses the pod may reach, such as 203.0.113.0/24. Metadata services of clouds are never opened, also if the range contains them.',
      )
      .meta(
        rules.cel(
          { rule: 'isCIDR(self)', message: 'must be a range of addresses such as 203.0.113.0/24' },
          {
            rule: `!isCIDR(self) || ![${metadataRanges.map((range) => `'${range}'`).join(', ')}].exists(range, cidr(range).containsCIDR(self))`,
            message: metadataRefused,
          },
        ),
      ),
    namespaceSelector: z
      .record(
        z.string().max(317).regex(new RegExp(labelKey), 'must be the key of a label'),
        z.string().max(63).regex(new RegExp(labelValue), 'must be the value of a label'),
      )
      .refine((labels) => Object.keys(labels).length > 0, 'must name at least one label: without any it would mean every namespace')
      .optional()
      .describe('Labels of the namespaces whose pods may be reached.')
      .meta({
        minProperties: 1,
        maxProperties: 10,
        ...rules.cel({ rule: `self.all(key, key.matches('${labelKey}'))`, message: 'each key must be that of a label' }),
      }),
    ports: z.array(port).max(20).optional().describe('TCP ports; all when left out.'),
  })
  .describe('One opening of the outgoing network policy.')
  .meta(
    rules.cel({
      rule: 'has(self.cidr) != has(self.namespaceSelector)',
      message: 'set exactly one of cidr and namespaceSelector',
    }),
  );

/** A host name such as mcp.acme.com: at least two labels, in lower case. IP addresses are refused. */
export const hostName = z
  .string()
  .max(253)
  .regex(
    /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/,
    'must be a host name such as mcp.example.com, in lower case',
  );

/** A duration in the notation of Go, in hours, minutes and seconds, such as 2160h or 1h30m. */
export const duration = z
  .string()
  .max(20)
  .regex(/^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$/, 'must be a duration such as 2160h, 90m or 30s')
  .refine((text) => text !== '', 'must be a duration such as 2160h, 90m or 30s');

/** Milliseconds of a {@link duration}. */
export function millisecondsOf(text: string): number {
  const [, hours = '0', minutes = '0', seconds = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? [];
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/** Shortest period of rotation. Every rotation makes new pods, and people need time to switch to a new key. */
const shortestPeriodMs = millisecondsOf('1h');
const shortestOverlapMs = millisecondsOf('5m');
const periodRule = {
  rule: "duration(self) == duration('0s') || duration(self) >= duration('1h')",
  message: 'must be at least 1h, or 0s for rotation on request alone',
};
const overlapRule = { rule: "duration(self) >= duration('5m')", message: 'must be at least 5m' };
const overlapEndsRule = {
  rule: "duration(self.rotationPeriod) == duration('0s') || duration(self.overlap) < duration(self.rotationPeriod)",
  message: 'must be less than rotationPeriod; overlap is 24h when left out',
};

const switchName = z
  .string()
  .max(40)
  .regex(/^[a-z][-a-z0-9]*$/, 'must be the name of a service: lower-case letters, digits and hyphens');
const toolPattern = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9_.*/-]+$/, 'must be the name of a tool, in which * stands for any text');

const externalId = z
  .string()
  .max(36)
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, 'must be a UUID in lower case');

const newOrganization = z
  .strictObject({
    name: lineOf(200).min(1).describe('Name of the organization at WorkOS.'),
    externalId: externalId
      .describe('UUID that is the external id of the organization at WorkOS.')
      .meta(rules.cel({ rule: 'self == oldSelf', message: 'organization.externalId is immutable' })),
    admin: z
      .strictObject({ email: z.email().max(254).describe('Address that gets the invitation.') })
      .optional()
      .describe('First administrator of the tenant, who is invited.'),
  })
  .describe(
    'Organization that is created at WorkOS for this tenant. Its identifier is then set as organizationId. An existing organization is used only if its metadata names this tenant.',
  );

/** `spec` of a Tenant as a user writes it. */
export const tenantSpec = z
  .strictObject({
    displayName: lineOf(100).min(1).optional().describe("Name shown to people and to LLM clients; the object's name when left out."),
    organizationId: z
      .string()
      .max(64)
      .regex(/^org_[A-Za-z0-9]+$/, 'must be the id of a WorkOS organization, such as org_01HXYZ')
      .optional()
      .describe('WorkOS organization whose active members may use the tenant. Immutable once set. Without one only API keys work.'),
    organization: newOrganization.optional(),
    template: z
      .strictObject({
        name: z
          .string()
          .min(1)
          .max(63)
          .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be the name of a template: lower-case letters, digits and hyphens')
          .describe('Name of the StackTemplate.')
          .meta(rules.cel({ rule: 'self == oldSelf', message: 'template.name is immutable: create another tenant for another template' })),
        revision: z
          .string()
          .max(63)
          .regex(/^[0-9a-f]{10}$/, 'must be a revision of the template: ten hexadecimal digits')
          .optional()
          .describe('Pinned revision of the template, as in status.template.revision. Default: the newest.'),
      })
      .describe('Template of the tenant.'),
    parameters: z
      .record(z.string(), z.unknown())
      .optional()
      .describe("Values of the template's parameters. They must fit the template's schema.")
      .meta(rules.preserveUnknown),
    services: z
      .record(switchName, z.boolean())
      .optional()
      .describe("Services of the template that are on or off, by name. Default: the template's defaults.")
      .meta({ maxProperties: 50 }),
    tools: z
      .strictObject({
        allow: z
          .array(toolPattern)
          .max(200)
          .optional()
          .describe('Names of the tools that are offered; * stands for any text. Default: all.'),
        deny: z.array(toolPattern).max(200).optional().describe('Names of tools that are not offered, even if allow lists them.'),
      })
      .optional()
      .describe('Which tools of the API are offered.'),
    domains: z
      .array(hostName)
      .max(10)
      .optional()
      .describe('Custom host names of the tenant. A host name serves as soon as its DNS record in status.domains proves that it is yours.')
      .meta({ 'x-kubernetes-list-type': 'set' }),
    secrets: z
      .strictObject({
        rotationPeriod: duration
          .default('2160h')
          .refine((period) => millisecondsOf(period) === 0 || millisecondsOf(period) >= shortestPeriodMs, periodRule.message)
          .describe('Period after which generated secrets and database passwords are replaced: at least 1h. 0s: only on request.')
          .meta(rules.cel(periodRule)),
        overlap: duration
          .default('24h')
          .refine((overlap) => millisecondsOf(overlap) >= shortestOverlapMs, overlapRule.message)
          .describe('Time for which a replaced secret stays valid beside the new one: at least 5m, and less than the period.')
          .meta(rules.cel(overlapRule)),
      })
      .refine(({ rotationPeriod: period, overlap }) => millisecondsOf(period) === 0 || millisecondsOf(overlap) < millisecondsOf(period), {
        path: ['overlap'],
        message: overlapEndsRule.message,
      })
      .meta(rules.cel(overlapEndsRule))
      .optional()
      .describe('Rotation of secrets.'),
    suspended: z.boolean().optional().describe('Stops the pods and keeps everything else.'),
    replicas: z.int().min(1).max(20).optional().describe('Number of pods; 1 when left out.'),
    containers: z
      .record(z.string().max(63), containerOverride)
      .optional()
      .describe('Changes to containers of the template, by container name.')
      .meta({ maxProperties: 10 }),
    database: z
      .strictObject({
        mode: z
          .enum(['shared', 'none'])
          .default('shared')
          .describe('shared: the tenant gets its own database on the configured server, if the template requires one. none: no database.'),
        deletionPolicy: z.enum(['retain', 'delete']).optional().describe('Overrides spec.deletionPolicy for the database.'),
      })
      .optional()
      .describe('The database of the tenant.'),
    network: z
      .strictObject({
        egress: z
          .array(egressRule)
          .max(50)
          .optional()
          .describe('Addresses and namespaces that the pods may reach in addition to their database and the control plane.'),
      })
      .optional()
      .describe('Additional rules of the network policy.'),
    deletionPolicy: z
      .enum(['retain', 'delete'])
      .default('retain')
      .describe(
        'Deletion policy of the data. retain keeps the database when the Tenant is deleted. Pods and namespace are always deleted.',
      ),
  })
  .describe('Desired state of the tenant.')
  .meta(
    rules.cel(
      {
        rule: '!has(oldSelf.organizationId) || (has(self.organizationId) && self.organizationId == oldSelf.organizationId)',
        message: 'organizationId is immutable once set: another organization needs another tenant',
      },
      {
        rule: '!has(oldSelf.organization) || has(self.organization)',
        message: 'organization cannot be removed once set: another organization needs another tenant',
      },
      {
        rule: '!has(self.organization) || has(oldSelf.organization) || !has(oldSelf.organizationId)',
        message: 'organization cannot be set while organizationId is set: people are invited only to created organizations',
      },
      {
        rule: "(has(self.database) ? self.database.mode : 'shared') == (has(oldSelf.database) ? oldSelf.database.mode : 'shared')",
        message: 'database.mode is immutable: create another tenant instead',
      },
    ),
  );

const condition = z
  .strictObject({
    type: z.string().max(316).describe('Kind of the condition.'),
    status: z.enum(['True', 'False', 'Unknown']).describe('Whether the condition is true.'),
    reason: z.string().max(1024).describe('One word for programs, from a closed list.'),
    message: z.string().max(32768).describe('One sentence for people.'),
    observedGeneration: z.int().optional().describe('Generation of the spec that the condition describes.'),
    lastTransitionTime: z.string().describe('When status last changed.').meta({ format: 'date-time' }),
  })
  .describe('One aspect of the tenant.');

const domainStatus = z
  .strictObject({
    domain: z.string().max(253).describe('The host name.'),
    state: z
      .enum(['Pending', 'Verified', 'Conflict'])
      .describe(
        'Pending: the DNS record was not found yet. Verified: the host name serves. Conflict: the host name belongs to another tenant.',
      ),
    record: z
      .strictObject({
        name: z.string().max(300).describe('Name of the DNS record that proves ownership.'),
        type: z.enum(['TXT']).describe('Type of the record.'),
        value: z.string().max(255).describe('Text of the record.'),
      })
      .describe('DNS record that you create at your DNS provider.'),
    mcp: z.string().max(2048).optional().describe('URL that LLM clients connect to.'),
    api: z.string().max(2048).optional().describe('URL of the REST API, if the template publishes it.'),
    message: z.string().max(1024).describe('One sentence for people.'),
  })
  .describe('One custom host name.');

const resourceRegistration = z.strictObject({
  url: z.string().max(2048).describe('URL registered as an OAuth resource.'),
  id: z.string().max(128).describe('Identifier of the registration at WorkOS.'),
});

/**
 * `status` of a Tenant. The operator writes it, except `authorization` and the condition AuthorizationReady, which the control plane
 * writes.
 */
export const tenantStatus = z
  .strictObject({
    phase: z
      .enum(['Pending', 'Provisioning', 'Ready', 'Degraded', 'Stalled', 'Suspended', 'Deleting'])
      .optional()
      .describe('The conditions in one word, for people.'),
    observedGeneration: z.int().optional().describe('Generation of the spec that was reconciled last.'),
    conditions: z.array(condition).max(20).optional().describe('Conditions of the tenant.').meta(rules.listMap('type')),
    namespace: z.string().max(63).optional().describe('Namespace that holds the tenant.'),
    endpoints: z
      .strictObject({
        mcp: z.string().max(2048).describe('URL that LLM clients connect to.'),
        api: z.string().max(2048).optional().describe('URL of the REST API, if the template publishes it.'),
        metadata: z.string().max(2048).describe('Protected resource metadata (RFC 9728).'),
      })
      .optional()
      .describe('Public URLs.'),
    domains: z.array(domainStatus).max(10).optional().describe('Custom host names and their states.').meta(rules.listMap('domain')),
    secrets: z
      .strictObject({
        lastRotation: z.string().optional().describe('When secrets were last replaced.').meta({ format: 'date-time' }),
        nextRotation: z.string().optional().describe('When secrets will be replaced next.').meta({ format: 'date-time' }),
        rotationRequest: z.string().max(64).optional().describe('Value of the annotation tenantry.dev/rotate that was last carried out.'),
      })
      .optional()
      .describe('Rotation of secrets.'),
    template: z
      .strictObject({
        name: z.string().max(63).describe('Name of the StackTemplate.'),
        revision: z.string().max(63).describe("Hash of the template's contents."),
      })
      .optional()
      .describe('Template that the pods run.'),
    database: z
      .strictObject({
        server: z.string().max(253).describe('Configured server that holds the database.'),
        name: z.string().max(63).describe('Name of the database.'),
      })
      .optional()
      .describe('Database of the tenant.'),
    server: z
      .strictObject({
        name: z.string().max(200).describe('Name that the MCP server reports.'),
        version: z.string().max(100).describe('Version that the MCP server reports.'),
        protocolVersions: z.array(z.string().max(20)).max(20).describe('MCP protocol versions that the server supports.'),
        tools: z.int().min(0).describe('Number of tools.'),
        operations: z.int().min(0).optional().describe("Number of operations in the API's OpenAPI document."),
        operationsLeftOut: z
          .strictObject({
            count: z.int().min(0).describe('Number of operations that became no tool.'),
            first: z.array(z.string().max(200)).max(10).describe('The first of them, each with its reason.'),
          })
          .optional()
          .describe('Operations that became no tool; absent when all did.'),
        unmatchedTools: z
          .array(z.string().max(200))
          .max(10)
          .optional()
          .describe('Entries of spec.tools that match no tool, such as `deny: delete_*`.'),
      })
      .optional()
      .describe('MCP server, as the last successful handshake found it.'),
    authorization: z
      .strictObject({
        resources: z.array(resourceRegistration).max(30).optional().describe('Registered OAuth resources.'),
        organization: z
          .strictObject({
            id: z.string().max(64).describe('Identifier of the organization that was created or found.'),
            invitationId: z.string().max(128).optional().describe("Identifier of the first administrator's invitation."),
          })
          .optional()
          .describe('Organization that was created for spec.organization.'),
      })
      .optional()
      .describe('Written by the control plane.'),
  })
  .describe('Observed state of the tenant.');

/** Effect of the tenant's deletion on its database, according to its spec. */
export function dataPolicyOf(spec: TenantSpec): 'retain' | 'delete' {
  return spec.database?.deletionPolicy ?? spec.deletionPolicy ?? 'retain';
}

/** Rule for a tenant's name, shared by the Admin API and the CRD. */
export const tenantName = z
  .string()
  .min(1)
  .max(tenantNameMaxLength)
  .regex(new RegExp(tenantNamePattern), 'must be a DNS label: lower-case letters, digits and hyphens, starting with a letter')
  .refine((name) => !reservedTenantNames.includes(name), 'is reserved; choose another name');

export type TenantSpec = z.infer<typeof tenantSpec>;
export type TenantStatus = Omit<z.infer<typeof tenantStatus>, 'conditions'> & { conditions?: Condition[] | undefined };

/** A Tenant as the API server returns it. */
export interface Tenant {
  readonly apiVersion: typeof apiVersion;
  readonly kind: 'Tenant';
  readonly metadata: ObjectMeta;
  readonly spec: TenantSpec;
  readonly status?: TenantStatus;
}
