import { defaultResources } from '../../crds/containers.ts';
import { pod } from '../../crds/names.ts';
import { type StackTemplateSpec, servicesOf, type TemplateContainer } from '../../crds/stack-template.ts';
import { atPointer } from '../../json/pointer.ts';
import { labelsOf, secretNames, selectorOf } from '../objects/names.ts';
import type { Blueprint } from './blueprint.ts';

type Variable = { readonly name: string; readonly value?: string; readonly valueFrom?: object };
type Amounts = Readonly<Record<string, string>>;

/** A container in the form that the Pod has. */
export interface RenderedContainer {
  readonly name: string;
  readonly env: readonly Variable[];
  readonly resources: { readonly requests: Amounts; readonly limits: Amounts };
  readonly [field: string]: unknown;
}

const paths = {
  assertion: '/var/run/tenantry/assertion',
  apiKeys: '/etc/tenantry/api-keys',
  upstream: '/etc/tenantry/upstream',
  token: '/var/run/secrets/tenantry',
  spool: '/var/spool/tenantry',
} as const;

/** Annotation of a pod with the fingerprint of the Secrets that it was made with. */
export const secretsAnnotation = 'tenantry.dev/secrets';

/** Annotation of a pod with the revision of the template that it was made with. */
export const revisionAnnotation = 'tenantry.dev/revision';

const jwksFile = `${paths.assertion}/jwks.json`;

const securityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

const upstreamModeOf = (blueprint: Blueprint): string => blueprint.template.spec.upstreamAuth?.mode ?? 'assertion';

/** Containers of the template, then the sidecar. */
export function containersOf(blueprint: Blueprint): RenderedContainer[] {
  return [...blueprint.template.spec.containers.map((container) => renderContainer(blueprint, container)), renderSidecar(blueprint)];
}

/** The pod of a tenant. `api` and the other containers of the template are native sidecars of `mcp`: they start first and stop last. */
export function renderPodTemplate(blueprint: Blueprint): object {
  const containers = containersOf(blueprint);
  const mode = upstreamModeOf(blueprint);
  return {
    metadata: {
      labels: { ...labelsOf(blueprint.tenant, 'stack'), ...selectorOf(blueprint.tenant) },
      annotations: { [revisionAnnotation]: blueprint.revision, [secretsAnnotation]: blueprint.secretsFingerprint },
    },
    spec: {
      ...podDefaults(),
      terminationGracePeriodSeconds: 30 + blueprint.settings.drainSeconds,
      initContainers: containers.slice(0, -1).map((container) => ({ ...container, restartPolicy: 'Always' })),
      containers: containers.slice(-1),
      volumes: [
        { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
        // Outlives a restart of the sidecar, so that recorded audit events which are not sent yet survive the process.
        { name: 'spool', emptyDir: { sizeLimit: '64Mi' } },
        { name: 'api-keys', secret: { secretName: secretNames.apiKeys } },
        {
          name: 'control-plane-token',
          projected: { sources: [{ serviceAccountToken: { audience: pod.tokenAudience, expirationSeconds: 600, path: 'token' } }] },
        },
        ...(mode === 'assertion' ? [{ name: 'assertion', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }] : []),
        ...(mode === 'static'
          ? [
              {
                name: 'upstream',
                secret: {
                  secretName: secretNames.generated,
                  items: [{ key: generatedKey(blueprint, blueprint.template.spec.upstreamAuth?.secret ?? ''), path: 'secret' }],
                },
              },
            ]
          : []),
      ],
    },
  };
}

/** The pod of the migration: the image of `api` with the template's migration command. */
export function renderMigrationPod(blueprint: Blueprint): object {
  const api = blueprint.template.spec.containers.find((container) => container.name === pod.apiContainer);
  const migration = blueprint.template.spec.database?.migration;
  if (!api || !migration) throw new Error('the template has no migration');
  const { readinessProbe: _r, livenessProbe: _l, ports: _p, ...container } = renderContainer(blueprint, api);
  const { command: _c, args: _a, volumeMounts: _v, ...rest } = container;
  return {
    metadata: { labels: labelsOf(blueprint.tenant, 'migration') },
    spec: {
      ...podDefaults(),
      restartPolicy: 'Never',
      containers: [
        {
          ...rest,
          name: 'migrate',
          volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
          ...(migration.command ? { command: migration.command } : {}),
          ...(migration.args ? { args: migration.args } : {}),
        },
      ],
      volumes: [{ name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }],
    },
  };
}

function podDefaults(): object {
  return {
    serviceAccountName: pod.serviceAccount,
    automountServiceAccountToken: false,
    // Service variables would add the names of all Services in the namespace to the environment.
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 65532,
      runAsGroup: 65532,
      fsGroup: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

const podIp: Variable = { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } };

function identity(blueprint: Blueprint, port: number): Variable[] {
  return [
    podIp,
    { name: 'HOST', value: '$(POD_IP)' },
    { name: 'PORT', value: String(port) },
    { name: 'TENANTRY_TENANT', value: blueprint.tenant.metadata.name },
    { name: 'TENANTRY_TENANT_UID', value: blueprint.uid },
  ];
}

function renderContainer(blueprint: Blueprint, container: TemplateContainer): RenderedContainer {
  const isApi = container.name === pod.apiContainer;
  const assertion = upstreamModeOf(blueprint) === 'assertion';
  const override = blueprint.tenant.spec.containers?.[container.name];
  const env = [
    ...identity(blueprint, pod.apiPort),
    ...(blueprint.database ? [secretVariable('DATABASE_URL', secretNames.database, 'url')] : []),
    ...(isApi && assertion ? [{ name: 'TENANTRY_ASSERTION_JWKS_FILE', value: jwksFile }] : []),
    ...switches(blueprint),
    ...overlay(templateVariables(blueprint, container), override?.env ?? []),
  ];
  const readyPath = readyPathOf(container);
  return {
    name: container.name,
    image: container.image,
    imagePullPolicy: blueprint.settings.imagePullPolicy,
    ...(container.command ? { command: container.command } : {}),
    ...(container.args ? { args: container.args } : {}),
    env,
    resources: resourcesOf(container.resources, override?.resources),
    securityContext,
    ...(isApi ? { ports: [{ name: 'api', containerPort: pod.apiPort }] } : {}),
    // A startup probe would delay the start of the sidecar, which reports why the API does not start.
    ...(readyPath ? { readinessProbe: probe(pod.apiPort, readyPath, { periodSeconds: 2, failureThreshold: 5 }) } : {}),
    ...(container.livePath
      ? { livenessProbe: { ...probe(pod.apiPort, container.livePath, { periodSeconds: 10, failureThreshold: 3 }), initialDelaySeconds } }
      : {}),
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      ...(isApi && assertion ? [{ name: 'assertion', mountPath: paths.assertion, readOnly: true }] : []),
    ],
  };
}

/** Delay before the first liveness probe. Together with the allowed failures it gives a container two minutes to start. */
const initialDelaySeconds = 90;

/** Path that the container answers with 200 when it can serve; undefined if it has none. */
function readyPathOf({ name, readyPath }: TemplateContainer): string | undefined {
  return readyPath ?? (name === pod.apiContainer ? '/readyz' : undefined);
}

function renderSidecar(blueprint: Blueprint): RenderedContainer {
  const { tenant, template, settings, endpoints } = blueprint;
  const auth = template.spec.upstreamAuth;
  const mode = upstreamModeOf(blueprint);
  const override = tenant.spec.containers?.[pod.sidecarContainer];
  const api = template.spec.containers.find(({ name }) => name === pod.apiContainer);
  const value = (name: string, text: string | undefined): Variable[] => (text === undefined ? [] : [{ name, value: text }]);
  const env = [
    ...identity(blueprint, pod.sidecarPort),
    ...value('TENANTRY_DISPLAY_NAME', literal(tenant.spec.displayName ?? tenant.metadata.name)),
    ...value('TENANTRY_ORGANIZATION_ID', tenant.spec.organizationId),
    ...value('TENANTRY_MCP_URL', endpoints.mcp),
    ...value('TENANTRY_API_URL', endpoints.api),
    ...value('TENANTRY_UPSTREAM_URL', `http://$(POD_IP):${pod.apiPort}`),
    ...value('TENANTRY_OPENAPI_PATH', template.spec.openapi?.path ?? '/openapi.json'),
    ...value('TENANTRY_READY_PATH', api && readyPathOf(api)),
    ...value('TENANTRY_UPSTREAM_AUTH', mode),
    ...value('TENANTRY_UPSTREAM_AUTH_HEADER', auth?.header),
    ...value('TENANTRY_UPSTREAM_AUTH_SECRET_FILE', mode === 'static' ? `${paths.upstream}/secret` : undefined),
    ...value('TENANTRY_ASSERTION_JWKS_FILE', mode === 'assertion' ? jwksFile : undefined),
    ...value('TENANTRY_API_KEYS_FILE', `${paths.apiKeys}/keys.json`),
    ...value('TENANTRY_OAUTH_ISSUER', settings.oauthIssuer),
    ...value('TENANTRY_OAUTH_CLIENT_ID', settings.oauthClientId),
    ...value('TENANTRY_CONTROL_PLANE_URL', settings.controlPlaneUrl),
    ...value('TENANTRY_CONTROL_PLANE_TOKEN_FILE', `${paths.token}/token`),
    ...value('TENANTRY_AUDIT_SPOOL_DIR', `${paths.spool}/audit`),
    ...switches(blueprint),
    ...value('TENANTRY_SERVICE_TAGS', jsonOf(tagsOf(template.spec))),
    ...value('TENANTRY_TOOLS', jsonOf(tenant.spec.tools ?? {})),
    ...value('TENANTRY_DOMAINS', blueprint.domains.length === 0 ? undefined : JSON.stringify(blueprint.domains)),
    { name: 'NODE_OPTIONS', value: '--max-old-space-size=128 --max-semi-space-size=2' },
  ];
  return {
    name: pod.sidecarContainer,
    image: settings.sidecarImage,
    imagePullPolicy: settings.imagePullPolicy,
    args: ['mcp'],
    env,
    resources: resourcesOf(template.spec.mcp?.resources, override?.resources),
    securityContext,
    ports: [{ name: 'mcp', containerPort: pod.sidecarPort }],
    startupProbe: probe(pod.sidecarPort, '/healthz', { periodSeconds: 1, failureThreshold: 60 }),
    readinessProbe: probe(pod.sidecarPort, '/readyz', { periodSeconds: 2, failureThreshold: 2 }),
    livenessProbe: probe(pod.sidecarPort, '/healthz', { periodSeconds: 10, failureThreshold: 3 }),
    // The process serves until its endpoints are withdrawn, so that no request meets a closed port.
    ...(settings.drainSeconds > 0 ? { lifecycle: { preStop: { sleep: { seconds: settings.drainSeconds } } } } : {}),
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'spool', mountPath: paths.spool },
      { name: 'api-keys', mountPath: paths.apiKeys, readOnly: true },
      { name: 'control-plane-token', mountPath: paths.token, readOnly: true },
      ...(mode === 'assertion' ? [{ name: 'assertion', mountPath: paths.assertion }] : []),
      ...(mode === 'static' ? [{ name: 'upstream', mountPath: paths.upstream, readOnly: true }] : []),
    ],
  };
}

/** Variable with the switches, for every container of the pod; none if the template has no switches. */
function switches({ template, tenant }: Blueprint): Variable[] {
  const value = jsonOf(servicesOf(template.spec, tenant.spec.services));
  return value === undefined ? [] : [{ name: 'TENANTRY_SERVICES', value }];
}

/** Tags of the operations that belong to each switch. */
function tagsOf(template: StackTemplateSpec): Record<string, readonly string[]> {
  return Object.fromEntries((template.services ?? []).map(({ name, tags }) => [name, tags ?? [name]]));
}

/** Undefined for an empty object. An empty variable would cause a roll-out without need. */
function jsonOf(value: object): string | undefined {
  return Object.keys(value).length === 0 ? undefined : literal(JSON.stringify(value));
}

function templateVariables(blueprint: Blueprint, container: TemplateContainer): Variable[] {
  return (container.env ?? []).flatMap((variable): Variable[] => {
    if (variable.secret !== undefined)
      return [secretVariable(variable.name, secretNames.generated, generatedKey(blueprint, variable.secret))];
    // The author of a template may refer to other variables. A parameter must not.
    if (variable.parameter === undefined) return [{ name: variable.name, value: variable.value ?? '' }];
    const bound = atPointer(blueprint.parameters, variable.parameter);
    if (bound === undefined || bound === null) return [];
    return [{ name: variable.name, value: literal(typeof bound === 'object' ? JSON.stringify(bound) : String(bound)) }];
  });
}

/**
 * Escapes a value from outside. Kubernetes would expand `$(NAME)` in it to another variable, secrets included. Every dollar is escaped, not
 * only a dollar before a parenthesis: Kubernetes reads `$$` as one dollar everywhere, so `$$$(NAME)` is a dollar and a reference.
 */
function literal(text: string): string {
  // A function, because `$$` in a replacement string means one dollar.
  return text.replaceAll('$', () => '$$');
}

const generatedKey = ({ generatedKeys }: Blueprint, name: string): string => generatedKeys[name] ?? name;

function secretVariable(name: string, secret: string, key: string): Variable {
  return { name, valueFrom: { secretKeyRef: { name: secret, key } } };
}

function overlay(base: readonly Variable[], over: readonly { name: string; value: string }[]): Variable[] {
  const replaced = new Map(over.map((variable) => [variable.name, { name: variable.name, value: literal(variable.value) }]));
  return [...base.filter((variable) => !replaced.has(variable.name)), ...replaced.values()];
}

type PartialResources =
  | { requests?: Partial<Record<string, string>> | undefined; limits?: Partial<Record<string, string>> | undefined }
  | undefined;

function resourcesOf(base: PartialResources, over: PartialResources): RenderedContainer['resources'] {
  const merged = (defaults: Amounts, ...parts: (Partial<Record<string, string>> | undefined)[]): Amounts =>
    Object.assign({}, defaults, ...parts.map((part) => part ?? {})) as Amounts;
  return {
    requests: merged(defaultResources.requests, base?.requests, over?.requests),
    limits: merged(defaultResources.limits, base?.limits, over?.limits),
  };
}

function probe(port: number, path: string, timing: { periodSeconds: number; failureThreshold: number }): object {
  return { httpGet: { path, port }, timeoutSeconds: 2, ...timing };
}
