import { readFileSync } from 'node:fs';
import { z } from 'zod';

const subject = z
  .string()
  .regex(/^(User:.+|ServiceAccount:[^/]+\/[^/]+)$/, 'must be User:<name> or ServiceAccount:<namespace>/<name>')
  .transform((text): Subject => {
    const [kind, name = ''] = text.split(/:(.*)/s);
    if (kind === 'User') return { kind: 'User', name, apiGroup: 'rbac.authorization.k8s.io' };
    const [namespace = '', account = ''] = name.split('/');
    return { kind: 'ServiceAccount', name: account, namespace };
  });

type Subject =
  | { readonly kind: 'User'; readonly name: string; readonly apiGroup: string }
  | { readonly kind: 'ServiceAccount'; readonly name: string; readonly namespace: string };

/** What the operator is told by its environment. */
const environment = z.object({
  /** Public base URL of the installation; tenants are at `<base>/t/<name>/mcp`. */
  TENANTRY_BASE_URL: z.url().transform((url) => url.replace(/\/+$/, '')),
  /** Image of the MCP sidecar. */
  TENANTRY_SIDECAR_IMAGE: z.string().min(1),
  TENANTRY_IMAGE_PULL_POLICY: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
  /** Issuer of the tenants' OAuth tokens: the AuthKit domain. */
  TENANTRY_OAUTH_ISSUER: z.url(),
  /** Where the pods reach the control plane. */
  TENANTRY_CONTROL_PLANE_URL: z.url(),
  /**
   * PostgreSQL server for tenants' databases and nothing else, as a role that may create databases and roles: PUBLIC loses its way into
   * the databases postgres and template1 there. Either this or the file that holds it.
   */
  TENANTRY_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  TENANTRY_DATABASE_URL_FILE: z.string().optional(),
  /** Addresses of that server for the network policy, where its host is a name. */
  TENANTRY_DATABASE_CIDR: z.string().optional(),
  TENANTRY_INGRESS_CLASS: z.string().optional(),
  /** Namespace of the gateway or Ingress controller that may reach the pods. */
  TENANTRY_GATEWAY_NAMESPACE: z.string().default('tenantry-system'),
  /** Namespace of the control plane and the operator. */
  TENANTRY_SYSTEM_NAMESPACE: z.string().default('tenantry-system'),
  /** Who the operator is, so that it can be given access to Secrets namespace by namespace. */
  TENANTRY_OPERATOR_SUBJECT: subject,
  /** Seconds a pod keeps serving after it was taken out of the route. */
  TENANTRY_DRAIN_SECONDS: z.coerce.number().int().min(0).max(60).default(5),
  TENANTRY_WORKERS: z.coerce.number().int().min(1).max(100).default(10),
  HOST: z.string().default('0.0.0.0'),
  /** Port of health and metrics. */
  PORT: z.coerce.number().int().min(0).max(65535).default(8080),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Settings {
  readonly baseUrl: string;
  readonly sidecarImage: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly oauthIssuer: string;
  readonly controlPlaneUrl: string;
  readonly databaseUrl: string | undefined;
  readonly databaseCidr: string | undefined;
  readonly ingressClass: string | undefined;
  readonly gatewayNamespace: string;
  readonly systemNamespace: string;
  readonly operatorSubject: Subject;
  readonly drainSeconds: number;
  readonly workers: number;
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
}

/** Reads the settings, or throws one error that names every fault without repeating a value. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const result = environment.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  if (!result.success) {
    const faults = result.error.issues.map(
      (issue) => `  ${issue.path.join('.')}: ${env[String(issue.path[0])] ? issue.message : 'is required'}`,
    );
    throw new Error(`the operator's environment is not right:\n${faults.join('\n')}`);
  }
  const value = result.data;
  return {
    baseUrl: value.TENANTRY_BASE_URL,
    sidecarImage: value.TENANTRY_SIDECAR_IMAGE,
    imagePullPolicy: value.TENANTRY_IMAGE_PULL_POLICY,
    oauthIssuer: value.TENANTRY_OAUTH_ISSUER,
    controlPlaneUrl: value.TENANTRY_CONTROL_PLANE_URL,
    databaseUrl: value.TENANTRY_DATABASE_URL_FILE
      ? readFileSync(value.TENANTRY_DATABASE_URL_FILE, 'utf8').trim()
      : value.TENANTRY_DATABASE_URL,
    databaseCidr: value.TENANTRY_DATABASE_CIDR,
    ingressClass: value.TENANTRY_INGRESS_CLASS,
    gatewayNamespace: value.TENANTRY_GATEWAY_NAMESPACE,
    systemNamespace: value.TENANTRY_SYSTEM_NAMESPACE,
    operatorSubject: value.TENANTRY_OPERATOR_SUBJECT,
    drainSeconds: value.TENANTRY_DRAIN_SECONDS,
    workers: value.TENANTRY_WORKERS,
    host: value.HOST,
    port: value.PORT,
    logLevel: value.LOG_LEVEL,
  };
}
