import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { z } from 'zod';
import { isCidr } from '../../crds/address-ranges.ts';
import type { Addressing } from '../../crds/names.ts';
import { type LeaseReference, leaseReference } from '../../kube/leader-election.ts';

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

/** `<namespace>/<name>` or `<namespace>/<name>/<listener>`. */
const gateway = z
  .string()
  .regex(/^[^/]+\/[^/]+(\/[^/]+)?$/, 'must be <namespace>/<name> of a Gateway, perhaps with /<listener>')
  .transform((text): GatewayReference => {
    const [namespace = '', name = '', section] = text.split('/');
    return { namespace, name, ...(section === undefined ? {} : { section }) };
  });

export interface GatewayReference {
  readonly namespace: string;
  readonly name: string;
  /** One listener of the Gateway; any that fits if left out. */
  readonly section?: string;
}

const annotations = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON object of strings' });
      return z.NEVER;
    }
  })
  .pipe(z.record(z.string(), z.string(), 'must be a JSON object of strings'));

const address = z
  .string()
  .regex(/^(\[[0-9a-f:]+\]|[^:/]+):\d{1,5}$/i, 'must be <host>:<port>')
  .transform((text) => {
    const at = text.lastIndexOf(':');
    return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
  })
  .refine(({ port }) => port >= 1 && port <= 65535, 'must have a port from 1 to 65535');

/** Addresses with ports, separated by commas. Names are refused, because node:dns does not accept them. */
const dnsServers = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((server) => server.trim())
      .filter((server) => server !== ''),
  )
  .refine((servers) => servers.every(isDnsServer), 'must be addresses such as 10.0.0.2:53 or [fd00::2]:53, separated by commas');

function isDnsServer(text: string): boolean {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text);
  return match !== null && isIP(match[1] ?? match[2] ?? '') !== 0 && Number(match[3] ?? 53) <= 65535;
}

/** Settings for reaching the tenants' public URLs from inside the cluster. */
export const verifySettings = {
  /** `host:port` to which the verification connects instead of the public host's own address. */
  TENANTRY_VERIFY_ADDRESS: address.optional(),
  /** PEM file of additional authorities that the verification trusts. */
  TENANTRY_VERIFY_CA_FILE: z.string().optional(),
};

/** The environment variables of the operator. */
const environment = z.object({
  /** Public base URL of the installation. */
  TENANTRY_BASE_URL: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).transform((url) => url.replace(/\/+$/, '')),
  /** Place of a tenant below the base URL: `path` for `<base>/t/<tenant>/mcp`, `host` for `https://<tenant>.<base host>/mcp`. */
  TENANTRY_ROUTE_MODE: z.enum(['path', 'host']).default('path'),
  /** Kind of the tenants' routes: an Ingress of each tenant, or an HTTPRoute attached to the Gateway of TENANTRY_GATEWAY. */
  TENANTRY_ROUTE_KIND: z.enum(['ingress', 'gateway']).default('ingress'),
  TENANTRY_GATEWAY: gateway.optional(),
  TENANTRY_INGRESS_CLASS: z.string().optional(),
  /** JSON object of annotations for each tenant's Ingress. */
  TENANTRY_INGRESS_ANNOTATIONS: annotations.default({}),
  ...verifySettings,
  /** DNS servers for the records of custom domains; the machine's own servers if none are named. */
  TENANTRY_DNS_SERVERS: dnsServers,
  /** ClusterIssuer of cert-manager for the certificates of custom domains. Without it no certificates are requested. */
  TENANTRY_DOMAIN_ISSUER: z.string().min(1).optional(),
  /** Image of the MCP sidecar. */
  TENANTRY_SIDECAR_IMAGE: z.string().min(1),
  TENANTRY_IMAGE_PULL_POLICY: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
  /** Issuer of the tenants' OAuth tokens: the AuthKit domain. */
  TENANTRY_OAUTH_ISSUER: z.url(),
  /** Client id of the WorkOS environment: the audience of machine-to-machine tokens. */
  TENANTRY_OAUTH_CLIENT_ID: z.string().regex(/^client_\w+$/, 'must be a client id of WorkOS, client_...'),
  /** URL at which the pods reach the control plane. */
  TENANTRY_CONTROL_PLANE_URL: z.url(),
  /** File with the token of the operator's account, for sending audit records to the control plane. */
  TENANTRY_CONTROL_PLANE_TOKEN_FILE: z.string().min(1),
  /** Folder in which audit records wait. Only this replica uses it. */
  TENANTRY_AUDIT_SPOOL_DIR: z.string().min(1),
  /**
   * URL of the PostgreSQL server for tenants' databases and nothing else, with a role that may create databases and roles. PUBLIC loses its
   * access to the databases postgres and template1 there. Set either this or the file that holds it.
   */
  TENANTRY_DATABASE_URL: z
    .string()
    .refine((text) => isDatabaseUrl(text), { error: () => databaseUrlFault })
    .optional(),
  TENANTRY_DATABASE_URL_FILE: z.string().optional(),
  /** Addresses of that server for the network policy. Needed if its host is a name. */
  TENANTRY_DATABASE_CIDR: z.string().refine(isCidr, 'must be a range of addresses such as 10.0.0.5/32').optional(),
  /** Namespace of the gateway or Ingress controller that may reach the pods. */
  TENANTRY_GATEWAY_NAMESPACE: z.string().default('tenantry-system'),
  /** Namespaces whose pods may scrape the tenants' metrics, separated by commas. */
  TENANTRY_METRICS_NAMESPACES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
    ),
  /** Namespace of the control plane and the operator. */
  TENANTRY_SYSTEM_NAMESPACE: z.string().default('tenantry-system'),
  /** Account of the operator, which gets access to Secrets namespace by namespace. */
  TENANTRY_OPERATOR_SUBJECT: subject,
  /** Seconds for which a pod keeps serving after it was removed from the route. */
  TENANTRY_DRAIN_SECONDS: z.coerce.number().int().min(0).max(60).default(5),
  /** `<namespace>/<name>` of the Lease that elects the leading replica. Without it there is only one replica. */
  TENANTRY_LEASE: leaseReference.optional(),
  /** Name of this replica in the Lease. */
  POD_NAME: z.string().min(1).default(hostname()),
  /** Folder of StackTemplates (YAML). They are applied when this replica starts to lead. */
  TENANTRY_TEMPLATES_DIR: z.string().optional(),
  TENANTRY_WORKERS: z.coerce.number().int().min(1).max(100).default(10),
  HOST: z.string().default('0.0.0.0'),
  /** Port of the health checks and the metrics. */
  PORT: z.coerce.number().int().min(0).max(65535).default(8080),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Settings {
  readonly addressing: Addressing;
  /** The Gateway that routes attach to; undefined for an Ingress. */
  readonly gateway: GatewayReference | undefined;
  readonly sidecarImage: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly oauthIssuer: string;
  readonly oauthClientId: string;
  readonly controlPlaneUrl: string;
  readonly controlPlaneTokenFile: string;
  readonly auditSpoolDir: string;
  readonly databaseUrl: string | undefined;
  readonly databaseCidr: string | undefined;
  readonly ingressClass: string | undefined;
  readonly ingressAnnotations: Readonly<Record<string, string>>;
  readonly verify: { readonly address: { readonly host: string; readonly port: number } | undefined; readonly caFile: string | undefined };
  readonly dnsServers: readonly string[];
  readonly domainIssuer: string | undefined;
  readonly lease: LeaseReference | undefined;
  readonly replica: string;
  readonly templatesDir: string | undefined;
  readonly gatewayNamespace: string;
  readonly metricsNamespaces: readonly string[];
  readonly systemNamespace: string;
  readonly operatorSubject: Subject;
  readonly drainSeconds: number;
  readonly workers: number;
  readonly host: string;
  readonly port: number;
  readonly logLevel: string;
}

/** Reads the settings. @throws one Error that names every fault and repeats no value. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const result = environment.safeParse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
  if (!result.success) {
    const faults = result.error.issues.map(
      (issue) => `  ${issue.path.join('.')}: ${env[String(issue.path[0])] ? issue.message : 'is required'}`,
    );
    throw new Error(`the operator's environment is not right:\n${faults.join('\n')}`);
  }
  const value = result.data;
  const faults = contradictions(value);
  if (faults.length > 0) throw new Error(`the operator's environment is not right:\n${faults.map((fault) => `  ${fault}`).join('\n')}`);
  return {
    addressing: { baseUrl: value.TENANTRY_BASE_URL, mode: value.TENANTRY_ROUTE_MODE },
    gateway: value.TENANTRY_ROUTE_KIND === 'gateway' ? value.TENANTRY_GATEWAY : undefined,
    sidecarImage: value.TENANTRY_SIDECAR_IMAGE,
    imagePullPolicy: value.TENANTRY_IMAGE_PULL_POLICY,
    oauthIssuer: value.TENANTRY_OAUTH_ISSUER,
    oauthClientId: value.TENANTRY_OAUTH_CLIENT_ID,
    controlPlaneUrl: value.TENANTRY_CONTROL_PLANE_URL,
    controlPlaneTokenFile: value.TENANTRY_CONTROL_PLANE_TOKEN_FILE,
    auditSpoolDir: value.TENANTRY_AUDIT_SPOOL_DIR,
    databaseUrl: databaseUrlOf(value),
    databaseCidr: value.TENANTRY_DATABASE_CIDR,
    ingressClass: value.TENANTRY_INGRESS_CLASS,
    ingressAnnotations: value.TENANTRY_INGRESS_ANNOTATIONS,
    verify: { address: value.TENANTRY_VERIFY_ADDRESS, caFile: value.TENANTRY_VERIFY_CA_FILE },
    dnsServers: value.TENANTRY_DNS_SERVERS,
    domainIssuer: value.TENANTRY_DOMAIN_ISSUER,
    lease: value.TENANTRY_LEASE,
    replica: value.POD_NAME,
    templatesDir: value.TENANTRY_TEMPLATES_DIR,
    gatewayNamespace: value.TENANTRY_GATEWAY_NAMESPACE,
    metricsNamespaces: value.TENANTRY_METRICS_NAMESPACES,
    systemNamespace: value.TENANTRY_SYSTEM_NAMESPACE,
    operatorSubject: value.TENANTRY_OPERATOR_SUBJECT,
    drainSeconds: value.TENANTRY_DRAIN_SECONDS,
    workers: value.TENANTRY_WORKERS,
    host: value.HOST,
    port: value.PORT,
    logLevel: value.LOG_LEVEL,
  };
}

const databaseUrlFault =
  'must be postgres://<user>:<password>@<host>:5432/postgres, with characters such as / # ? @ and % in the password percent-encoded';

function isDatabaseUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^postgres(ql)?:$/.test(url.protocol) && url.hostname !== '';
}

/** The file's contents never appear in an error, because they hold a password. */
function databaseUrlOf({ TENANTRY_DATABASE_URL_FILE: file, TENANTRY_DATABASE_URL: url }: z.infer<typeof environment>): string | undefined {
  if (file === undefined) return url;
  const text = readFileSync(file, 'utf8').trim();
  if (!isDatabaseUrl(text))
    throw new Error(`the operator's environment is not right:\n  TENANTRY_DATABASE_URL_FILE: what ${file} holds ${databaseUrlFault}`);
  return text;
}

/** Faults of variables that contradict each other or need each other. */
function contradictions(value: z.infer<typeof environment>): string[] {
  const faults: string[] = [];
  if (value.TENANTRY_ROUTE_KIND === 'gateway' && value.TENANTRY_GATEWAY === undefined)
    faults.push('TENANTRY_GATEWAY: is required where TENANTRY_ROUTE_KIND is gateway');
  if (value.TENANTRY_ROUTE_MODE === 'host') {
    const { hostname: host, pathname } = new URL(value.TENANTRY_BASE_URL);
    if (isIP(host.replace(/^\[|\]$/g, '')) !== 0) faults.push('TENANTRY_BASE_URL: must have a domain, not an address, in host mode');
    if (pathname !== '/') faults.push('TENANTRY_BASE_URL: must have no path in host mode');
  }
  return faults;
}
