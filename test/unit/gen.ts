import type { Condition } from '../../crds/conditions.ts';
import { endpointsOf } from '../../crds/names.ts';
import { revisionOf, type StackTemplate, stackTemplateSpec } from '../../crds/stack-template.ts';
import { type Tenant, type TenantStatus, tenantSpec } from '../../crds/tenant.ts';
import { readSettings, type Settings } from '../../operator/installation/settings.ts';
import type { Blueprint } from '../../operator/render/blueprint.ts';

/** Builders of objects for tests: valid by default, with what the test is about given. */

const environment = {
  TENANTRY_BASE_URL: 'http://localhost:8080',
  TENANTRY_SIDECAR_IMAGE: 'tenantry/tenant:1',
  TENANTRY_OAUTH_ISSUER: 'http://localhost:8090',
  TENANTRY_OAUTH_CLIENT_ID: 'client_01TEST',
  TENANTRY_CONTROL_PLANE_URL: 'http://127.0.0.1:8091',
  TENANTRY_CONTROL_PLANE_TOKEN_FILE: '/var/run/secrets/tenantry/token',
  TENANTRY_AUDIT_SPOOL_DIR: '/var/spool/tenantry/audit',
  TENANTRY_OPERATOR_SUBJECT: 'User:tenantry-operator',
  TENANTRY_DATABASE_URL: 'postgres://admin:secret@127.0.0.1:5432/postgres',
};

/** The operator's settings, with the variables the test is about. */
export function settingsWith(variables: NodeJS.ProcessEnv = {}): Settings {
  return readSettings({ ...environment, ...variables });
}

export function tenant(spec: object = {}, status?: TenantStatus, name = 'acme'): Tenant {
  return {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'Tenant',
    metadata: { name, uid: '11111111-2222-3333-4444-555555555555', generation: 1, resourceVersion: '1' },
    spec: tenantSpec.parse({ template: { name: 'toolbridge' }, ...spec }),
    ...(status ? { status } : {}),
  };
}

export function template(spec: object = {}): StackTemplate {
  return {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'StackTemplate',
    metadata: { name: 'toolbridge', uid: 'template-uid', generation: 1 },
    spec: stackTemplateSpec.parse({
      containers: [{ name: 'api', image: 'tenantry/tenant:1', args: ['toolbridge', 'api'] }],
      database: { migration: { args: ['toolbridge', 'migrate'] } },
      ...spec,
    }),
  };
}

export function blueprint(
  options: {
    spec?: object;
    template?: object;
    parameters?: Record<string, unknown>;
    environment?: NodeJS.ProcessEnv;
    domains?: readonly string[];
  } = {},
): Blueprint {
  const settings = settingsWith(options.environment);
  const owner = tenant(options.spec);
  const stack = template(options.template);
  return {
    tenant: owner,
    uid: owner.metadata.uid ?? '',
    template: stack,
    revision: revisionOf(stack.spec),
    parameters: options.parameters ?? {},
    endpoints: endpointsOf(owner.metadata.name, settings.addressing, stack.spec.publicApi ?? false),
    domains: options.domains ?? [],
    database: stack.spec.database !== undefined && owner.spec.database?.mode !== 'none',
    generatedKeys: {},
    secretsFingerprint: 'f00d',
    settings,
  };
}

export function condition(type: string, status: Condition['status'], reason = 'Any'): Condition {
  return { type, status, reason, message: '', observedGeneration: 1, lastTransitionTime: '2026-01-01T00:00:00Z' };
}
