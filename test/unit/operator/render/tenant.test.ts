import { describe, expect, test } from 'vitest';
import { parseQuantity } from '../../../../crds/quantity.ts';
import { tenantSpec } from '../../../../crds/tenant.ts';
import { kinds, type Resource } from '../../../../kube/resources.ts';
import { expand } from '../../../../local/node/environment.ts';
import type { RenderedContainer } from '../../../../operator/render/pod.ts';
import { renderTenant } from '../../../../operator/render/tenant.ts';
import { blueprint, settingsWith } from '../../gen.ts';

interface PodSpec {
  readonly automountServiceAccountToken: boolean;
  readonly initContainers: (RenderedContainer & { restartPolicy?: string; startupProbe?: object })[];
  readonly containers: RenderedContainer[];
  readonly volumes: { readonly name: string; readonly secret?: { secretName: string } }[];
  readonly securityContext: object;
}

/** The object of a kind, as the test reads it. */
function rendered<T>(resource: Resource, options: Parameters<typeof blueprint>[0] = {}): T {
  const { foundation, workload } = renderTenant(blueprint(options));
  const child = [...foundation, ...workload].find((candidate) => candidate.resource === resource);
  if (!child) throw new Error(`no ${resource.kind} was rendered`);
  return child.object as unknown as T;
}

function podOf(options: Parameters<typeof blueprint>[0] = {}): PodSpec {
  return rendered<{ spec: { template: { spec: PodSpec } } }>(kinds.Deployment, options).spec.template.spec;
}

function variable(container: RenderedContainer | undefined, name: string): string | undefined {
  return container?.env.find((entry) => entry.name === name)?.value;
}

/** Faults that the schema of a Tenant finds in an opening to these addresses. */
const egressFaults = (cidr: string): string[] =>
  tenantSpec.safeParse({ template: { name: 'toolbridge' }, network: { egress: [{ cidr }] } }).error?.issues.map(({ message }) => message) ??
  [];

describe('the pod', () => {
  test('starts the API first and the sidecar at once after it, so that a report comes also of an API that does not start', () => {
    const pod = podOf();
    expect(pod.initContainers.map(({ name, restartPolicy }) => [name, restartPolicy])).toEqual([['api', 'Always']]);
    expect(pod.initContainers[0]?.startupProbe).toBeUndefined();
    expect(pod.initContainers[0]?.readinessProbe).toMatchObject({ httpGet: { path: '/readyz', port: 8081 } });
    expect(pod.containers.map(({ name }) => name)).toEqual(['mcp']);
    expect(variable(pod.containers[0], 'TENANTRY_READY_PATH')).toBe('/readyz');
  });

  test('fits Pod Security restricted and mounts no ServiceAccount token but the one for the control plane', () => {
    const pod = podOf();
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container['securityContext']).toMatchObject({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
    const mounts = (name: string): string[] => {
      const container = [...pod.initContainers, ...pod.containers].find((candidate) => candidate.name === name);
      const volumeMounts = container?.['volumeMounts'] as { name: string }[] | undefined;
      return (volumeMounts ?? []).map((mount) => mount.name);
    };
    expect(mounts('api')).not.toContain('control-plane-token');
    expect(mounts('mcp')).toContain('control-plane-token');
  });

  test('gets the hashes of API keys, never the keys', () => {
    expect(
      podOf()
        .volumes.map((volume) => volume.secret?.secretName)
        .filter(Boolean),
    ).toEqual(['tenantry-api-keys']);
    expect(JSON.stringify(podOf())).not.toContain('tenantry-credentials');
  });

  test('binds parameters by pointer and leaves no way to refer to other variables', () => {
    const template = {
      containers: [
        {
          name: 'api',
          image: 'x',
          env: [
            { name: 'SIZE', parameter: '/page/size' },
            { name: 'NOTE', parameter: '/note' },
            { name: 'ABSENT', parameter: '/nowhere' },
            { name: 'LIST', parameter: '/list' },
          ],
        },
      ],
    };
    const api = podOf({ template, parameters: { page: { size: 5 }, note: '$(DATABASE_URL)', list: ['a'] } }).initContainers[0];
    expect(variable(api, 'SIZE')).toBe('5');
    expect(variable(api, 'NOTE')).toBe('$$(DATABASE_URL)');
    expect(variable(api, 'ABSENT')).toBeUndefined();
    expect(variable(api, 'LIST')).toBe('["a"]');
  });

  test.each(['$(DATABASE_URL)', '$$(DATABASE_URL)', '$$$(DATABASE_URL)', '$$$$(DATABASE_URL)', 'a$$b', '5 $', '$', '$((DATABASE_URL))'])(
    'hands on %s as it is, whoever wrote it: Kubernetes expands nothing in it',
    (text) => {
      const template = {
        containers: [{ name: 'api', image: 'x', env: [{ name: 'NOTE', parameter: '/note' }] }],
      };
      const spec = { displayName: text, containers: { api: { env: [{ name: 'OWN', value: text }] } } };
      const pod = podOf({ template, spec, parameters: { note: text } });
      const [api, mcp] = [pod.initContainers[0], pod.containers[0]];
      const seen = (container: RenderedContainer | undefined, name: string): string =>
        expand(variable(container, name) ?? '', { DATABASE_URL: 'a secret' });
      expect(seen(api, 'NOTE')).toBe(text);
      expect(seen(api, 'OWN')).toBe(text);
      expect(seen(mcp, 'TENANTRY_DISPLAY_NAME')).toBe(text);
    },
  );

  test("takes the tenant's variables and resources over the template's", () => {
    const template = {
      containers: [{ name: 'api', image: 'x', env: [{ name: 'A', value: '1' }], resources: { limits: { memory: '100Mi' } } }],
    };
    const spec = { containers: { api: { env: [{ name: 'A', value: '$(POD_IP)' }], resources: { limits: { memory: '200Mi' } } } } };
    const api = podOf({ template, spec }).initContainers[0];
    expect(variable(api, 'A')).toBe('$$(POD_IP)');
    expect(api?.resources.limits['memory']).toBe('200Mi');
  });

  test('tells its containers of switches, tools and domains, and nothing where there is nothing to say', () => {
    const template = { services: [{ name: 'notes' }, { name: 'chats', default: false, tags: ['chats', 'messages'] }] };
    const spec = { services: { notes: false }, tools: { deny: ['delete_*'] } };
    const pod = podOf({ template, spec, domains: ['https://mcp.acme.com'] });
    const [api, mcp] = [pod.initContainers[0], pod.containers[0]];
    for (const container of [api, mcp]) expect(variable(container, 'TENANTRY_SERVICES')).toBe('{"notes":false,"chats":false}');
    expect(variable(mcp, 'TENANTRY_SERVICE_TAGS')).toBe('{"notes":["notes"],"chats":["chats","messages"]}');
    expect(variable(mcp, 'TENANTRY_TOOLS')).toBe('{"deny":["delete_*"]}');
    expect(variable(mcp, 'TENANTRY_DOMAINS')).toBe('["https://mcp.acme.com"]');
    const plain = podOf();
    for (const { env } of [...plain.initContainers, ...plain.containers])
      expect(env.filter(({ name }) => /SERVICE|TOOLS|DOMAINS/.test(name))).toEqual([]);
  });

  test('has a place for records that outlives the process of the sidecar', () => {
    const { containers, volumes } = podOf();
    expect(variable(containers[0], 'TENANTRY_AUDIT_SPOOL_DIR')).toBe('/var/spool/tenantry/audit');
    expect(containers[0]?.['volumeMounts']).toContainEqual({ name: 'spool', mountPath: '/var/spool/tenantry' });
    expect(volumes).toContainEqual({ name: 'spool', emptyDir: { sizeLimit: '64Mi' } });
  });

  test('sends a static secret only where the template says so', () => {
    const template = {
      secrets: [{ name: 'token' }],
      upstreamAuth: { mode: 'static', header: 'X-Token', secret: 'token' },
    };
    const pod = podOf({ template });
    const mcp = pod.containers[0];
    expect(variable(mcp, 'TENANTRY_UPSTREAM_AUTH')).toBe('static');
    expect(variable(mcp, 'TENANTRY_UPSTREAM_AUTH_SECRET_FILE')).toBe('/etc/tenantry/upstream/secret');
    expect(variable(mcp, 'TENANTRY_ASSERTION_JWKS_FILE')).toBeUndefined();
    expect(variable(podOf().containers[0], 'TENANTRY_UPSTREAM_AUTH_HEADER')).toBeUndefined();
  });
});

describe('the namespace', () => {
  test('has room for twice the pods and the migration', () => {
    const { hard } = rendered<{ spec: { hard: Record<string, string> } }>(kinds.ResourceQuota, { spec: { replicas: 3 } }).spec;
    expect(hard['pods']).toBe('7');
    expect(parseQuantity(hard['limits.memory'] ?? '')).toBe(7 * 2 * 256 * 2 ** 20);
  });

  test('opens the network for the route, the control plane, the database and what the tenant names, and for nothing else', () => {
    const spec = { network: { egress: [{ cidr: '203.0.113.0/24', ports: [443] }] } };
    const rules = rendered<{ spec: { ingress: unknown[]; egress: unknown[]; policyTypes: string[] } }>(kinds.NetworkPolicy, { spec }).spec;
    expect(rules.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(rules.ingress).toHaveLength(1);
    expect(rules.egress).toContainEqual({ to: [{ ipBlock: { cidr: '127.0.0.1/32' } }], ports: [{ protocol: 'TCP', port: 5432 }] });
    expect(rules.egress).toContainEqual({ to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ protocol: 'TCP', port: 443 }] });
    expect(rules.egress).toHaveLength(4);
  });

  test('opens no metadata service of a cloud by a range that contains it', () => {
    const opening = (cidr: string): unknown =>
      rendered<{ spec: { egress: { to?: unknown[] }[] } }>(kinds.NetworkPolicy, {
        spec: { network: { egress: [{ cidr }] } },
      }).spec.egress.at(-1)?.to;
    const metadata = ['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'];
    expect(opening('0.0.0.0/0')).toEqual([{ ipBlock: { cidr: '0.0.0.0/0', except: metadata } }]);
    expect(opening('::/0')).toEqual([{ ipBlock: { cidr: '::/0', except: ['fe80::/10', 'fd00:ec2::254/128', 'fd20:ce::254/128'] } }]);
    expect(opening('100.64.0.0/10')).toEqual([{ ipBlock: { cidr: '100.64.0.0/10', except: ['100.100.100.200/32'] } }]);
    expect(opening('fd00:ec2::/32')).toEqual([{ ipBlock: { cidr: 'fd00:ec2::/32', except: ['fd00:ec2::254/128'] } }]);
    expect(opening('168.0.0.0/6')).toEqual([{ ipBlock: { cidr: '168.0.0.0/6', except: ['169.254.0.0/16', '168.63.129.16/32'] } }]);
    expect(opening('10.0.0.0/8')).toEqual([{ ipBlock: { cidr: '10.0.0.0/8' } }]);
    expect(opening('2001:db8::/32')).toEqual([{ ipBlock: { cidr: '2001:db8::/32' } }]);
  });

  test.each(['169.254.169.254/32', '169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::254/128', 'fe80::1/128'])(
    'opens nothing for %s, which the API server refuses today',
    (cidr) => {
      const valid = blueprint();
      const tenant = { ...valid.tenant, spec: { ...valid.tenant.spec, network: { egress: [{ cidr }] } } };
      const { foundation } = renderTenant({ ...valid, tenant });
      const policy = foundation.find(({ resource }) => resource === kinds.NetworkPolicy)?.object;
      expect((policy as unknown as { spec: { egress: unknown[] } }).spec.egress).toHaveLength(3);
      expect(egressFaults(cidr)).toEqual([expect.stringMatching(/metadata service of a cloud/)]);
    },
  );

  test('opens the port of a database whose addresses are not known, but at no metadata service', () => {
    const environment = { TENANTRY_DATABASE_URL: 'postgres://u:p@db.example.com/postgres' };
    const { egress } = rendered<{ spec: { egress: { to: unknown[]; ports: unknown[] }[] } }>(kinds.NetworkPolicy, { environment }).spec;
    expect(egress[2]?.ports).toEqual([{ protocol: 'TCP', port: 5432 }]);
    expect(egress[2]?.to).toEqual([
      { namespaceSelector: {} },
      { ipBlock: { cidr: '0.0.0.0/0', except: expect.arrayContaining(['169.254.0.0/16']) } },
      { ipBlock: { cidr: '::/0', except: expect.arrayContaining(['fd00:ec2::254/128']) } },
    ]);
  });

  test('lets those who scrape metrics in, where the settings name them', () => {
    const environment = { TENANTRY_GATEWAY_NAMESPACE: 'traefik', TENANTRY_METRICS_NAMESPACES: 'monitoring, observability' };
    const { ingress } = rendered<{ spec: { ingress: { from: object[] }[] } }>(kinds.NetworkPolicy, { environment }).spec;
    const names = ['traefik', 'tenantry-system', 'monitoring', 'observability'];
    expect(ingress[0]?.from).toEqual(
      names.map((name) => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } } })),
    );
  });

  test('carries no timestamps and no randomness: two renderings are equal', () => {
    expect(renderTenant(blueprint())).toEqual(renderTenant(blueprint()));
  });
});

describe('the route', () => {
  interface IngressSpec {
    readonly ingressClassName?: string;
    readonly tls?: unknown;
    readonly rules: { host?: string; http: { paths: { path: string; pathType: string }[] } }[];
  }
  const template = { publicApi: true };
  const pathsOf = (spec: IngressSpec): string[] =>
    spec.rules.flatMap(({ http }) => http.paths.map(({ path, pathType }) => `${pathType} ${path}`));

  test('opens the endpoint, the API and their metadata, and nothing else of the sidecar', () => {
    const { spec } = rendered<{ spec: IngressSpec }>(kinds.Ingress, { template });
    expect(pathsOf(spec)).toEqual([
      'Exact /t/acme/mcp',
      'Exact /.well-known/oauth-protected-resource/t/acme/mcp',
      'Prefix /t/acme/api',
      'Exact /.well-known/oauth-protected-resource/t/acme/api',
    ]);
    expect(pathsOf(rendered<{ spec: IngressSpec }>(kinds.Ingress).spec)).toHaveLength(2);
  });

  test('has a host of its own in host mode, with TLS by the certificate of the controller', () => {
    const environment = {
      TENANTRY_BASE_URL: 'https://tenants.example.com:8443',
      TENANTRY_ROUTE_MODE: 'host',
      TENANTRY_INGRESS_CLASS: 'traefik',
      TENANTRY_INGRESS_ANNOTATIONS: '{"example.com/timeout": "0"}',
    };
    const plan = blueprint({ environment, template });
    expect(plan.endpoints).toEqual({
      mcp: 'https://acme.tenants.example.com:8443/mcp',
      api: 'https://acme.tenants.example.com:8443/api',
      metadata: 'https://acme.tenants.example.com:8443/.well-known/oauth-protected-resource/mcp',
    });
    const { metadata, spec } = rendered<{ metadata: { annotations?: object }; spec: IngressSpec }>(kinds.Ingress, {
      environment,
      template,
    });
    expect(spec).toMatchObject({ ingressClassName: 'traefik', tls: [{ hosts: ['acme.tenants.example.com'] }] });
    expect(spec.rules.map(({ host }) => host)).toEqual(['acme.tenants.example.com']);
    expect(pathsOf(spec)).toContain('Exact /mcp');
    expect(metadata.annotations).toEqual({ 'example.com/timeout': '0' });
  });

  test('is an HTTPRoute attached to the Gateway where the settings say so', () => {
    const environment = {
      TENANTRY_BASE_URL: 'https://mcp.example.com/base',
      TENANTRY_ROUTE_KIND: 'gateway',
      TENANTRY_GATEWAY: 'gateways/public/https',
    };
    const { spec } = rendered<{ spec: object }>(kinds.HTTPRoute, { environment });
    expect(spec).toMatchObject({
      parentRefs: [{ namespace: 'gateways', name: 'public', sectionName: 'https' }],
      hostnames: ['mcp.example.com'],
      rules: [
        {
          matches: [{ path: { type: 'Exact', value: '/base/t/acme/mcp' } }, { path: { type: 'Exact' } }],
          backendRefs: [{ name: 'stack', port: 8001 }],
        },
      ],
    });
    expect(() => rendered(kinds.Ingress, { environment })).toThrow('no Ingress');
  });

  test.each([
    [{ TENANTRY_ROUTE_KIND: 'gateway' }, 'TENANTRY_GATEWAY: is required'],
    [{ TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'public' }, 'TENANTRY_GATEWAY: must be <namespace>/<name>'],
    [{ TENANTRY_ROUTE_MODE: 'host', TENANTRY_BASE_URL: 'http://10.0.0.1' }, 'TENANTRY_BASE_URL: must have a domain'],
    [{ TENANTRY_ROUTE_MODE: 'host', TENANTRY_BASE_URL: 'http://example.com/base' }, 'TENANTRY_BASE_URL: must have no path'],
    [{ TENANTRY_INGRESS_ANNOTATIONS: '{"a": 1}' }, 'TENANTRY_INGRESS_ANNOTATIONS'],
    [{ TENANTRY_INGRESS_ANNOTATIONS: 'a=b' }, 'TENANTRY_INGRESS_ANNOTATIONS: must be a JSON object'],
    [{ TENANTRY_VERIFY_ADDRESS: 'gateway' }, 'TENANTRY_VERIFY_ADDRESS: must be <host>:<port>'],
    [{ TENANTRY_LEASE: 'tenantry-operator' }, 'TENANTRY_LEASE: must be <namespace>/<name>'],
  ])('with settings %j is refused at start', (environment, fault) => {
    expect(() => settingsWith(environment)).toThrow(fault);
  });
});

describe('the route of a custom domain', () => {
  const environment = { TENANTRY_BASE_URL: 'https://tenants.example.com', TENANTRY_DOMAIN_ISSUER: 'letsencrypt' };
  const domains = ['https://mcp.acme.com'];
  const template = { publicApi: true };
  const routesOf = (resource: Resource, options: Parameters<typeof blueprint>[0]) =>
    renderTenant(blueprint(options))
      .foundation.filter((child) => child.resource === resource)
      .map(({ object }) => object as unknown as { metadata: { name: string; annotations?: object }; spec: Record<string, unknown> });

  test('is an Ingress of its own with a certificate of its own', () => {
    const [own, custom, ...more] = routesOf(kinds.Ingress, { environment, domains, template });
    expect(more).toEqual([]);
    expect(own?.metadata).not.toHaveProperty('annotations');
    expect(custom?.metadata.annotations).toEqual({ 'cert-manager.io/cluster-issuer': 'letsencrypt' });
    const name = custom?.metadata.name;
    expect(name).toMatch(/^domain-[0-9a-f]{10}$/);
    expect(custom?.spec).toMatchObject({
      tls: [{ hosts: ['mcp.acme.com'], secretName: `${name}-tls` }],
      rules: [{ host: 'mcp.acme.com' }],
    });
    const paths = JSON.stringify(custom?.spec['rules']);
    for (const path of ['/mcp', '/api', '/.well-known/oauth-protected-resource/mcp', '/.well-known/oauth-protected-resource/api'])
      expect(paths).toContain(`"path":"${path}"`);
  });

  test('opens the network for the proof that a certificate needs, and only then', () => {
    const ports = (options: Parameters<typeof blueprint>[0]): unknown =>
      rendered<{ spec: { ingress: { ports: object[] }[] } }>(kinds.NetworkPolicy, options).spec.ingress.map((rule) => rule.ports);
    expect(ports({ environment, domains })).toEqual([[{ protocol: 'TCP', port: 8001 }], [{ protocol: 'TCP', port: 8089 }]]);
    expect(ports({ environment })).toHaveLength(1);
    expect(ports({ domains })).toHaveLength(1);
  });

  test('is an HTTPRoute where there is a Gateway, and asks for no certificate without an issuer', () => {
    const viaGateway = { ...environment, TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'gateways/public' };
    expect(routesOf(kinds.HTTPRoute, { environment: viaGateway, domains })[1]?.spec).toMatchObject({ hostnames: ['mcp.acme.com'] });
    const withoutIssuer = { TENANTRY_BASE_URL: 'https://tenants.example.com' };
    const custom = routesOf(kinds.Ingress, { environment: withoutIssuer, domains })[1];
    expect(custom?.metadata).not.toHaveProperty('annotations');
    expect(custom?.spec['tls']).toEqual([{ hosts: ['mcp.acme.com'] }]);
  });

  test.each([
    ['10.0.0.2:53,[fd00::2]:53', ['10.0.0.2:53', '[fd00::2]:53']],
    ['', []],
  ])('is proved at the DNS servers %j', (text, servers) => {
    expect(settingsWith({ TENANTRY_DNS_SERVERS: text }).dnsServers).toEqual(servers);
  });

  test('is proved at no DNS server that is only a name', () => {
    expect(() => settingsWith({ TENANTRY_DNS_SERVERS: 'dns.example.com:53' })).toThrow('TENANTRY_DNS_SERVERS: must be addresses');
  });
});

describe('suspension', () => {
  test('stops the pods and keeps everything else', () => {
    const spec = { suspended: true, replicas: 2 };
    expect(rendered<{ spec: { replicas: number } }>(kinds.Deployment, { spec }).spec.replicas).toBe(0);
    expect(renderTenant(blueprint({ spec })).foundation).toHaveLength(renderTenant(blueprint()).foundation.length);
  });
});
