import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readSettings as readControlPlane } from '../../control-plane/settings.ts';
import { readSettings as readOperator } from '../../operator/installation/settings.ts';
import { chart, examples, type Manifest, podsOf, render, run, systemNamespace } from './chart-files.ts';

const example = (name: string): string => examples.find((path) => basename(path) === `${name}-values.yaml`) ?? name;
function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (!found) throw new Error(`the chart renders no ${kind} ${name}`);
  return found;
}

describe.each(examples)('the chart with %s', (file) => {
  let manifests: Manifest[];
  beforeAll(async () => {
    manifests = await render(['--values', file]);
  });

  test('passes helm lint', async () => {
    const { code, output } = await run('helm', ['lint', '--strict', chart, '--values', file]);
    expect(output).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(code).toBe(0);
  });

  test('renders the same objects twice', async () => {
    expect(await render(['--values', file])).toEqual(manifests);
  });

  test('renders objects that the API server accepts, without unknown fields', async () => {
    // Kinds of the Prometheus operator are on no cluster by default. Pods are tried apart, for their accounts are not there.
    const tried = manifests.filter(({ kind }) => kind !== 'PodMonitor' && kind !== 'Pod');
    const args = ['apply', '--dry-run=server', '--validate=strict', '--server-side', '--force-conflicts', '-f', '-'];
    const { errors } = await run('kubectl', args, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: tried }));
    expect(errors).toBe('');
  });

  test('checks dependencies only in readiness probes', () => {
    const probed = podsOf(manifests).filter(({ name }) => ['tenantry-operator', 'tenantry-control-plane'].includes(name));
    expect(probed).toHaveLength(2);
    for (const { spec } of probed) {
      expect(spec.containers[0]).toMatchObject({
        startupProbe: { httpGet: { path: '/healthz' } },
        livenessProbe: { httpGet: { path: '/healthz' } },
        readinessProbe: { httpGet: { path: '/readyz' } },
      });
    }
  });

  test('sets only valid settings of operator and control plane', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tenantry-chart-'));
    const url = join(folder, 'url');
    writeFileSync(url, 'postgres://tenantry:secret@10.0.0.5:5432/postgres');
    const environmentOf = (name: string): Record<string, string> => {
      const pod = podsOf(manifests).find((candidate) => candidate.name === name);
      const environment = (pod?.spec.containers[0]?.env ?? []).map((variable) => [variable.name, variable.value ?? 'of-the-cluster']);
      const known = Object.fromEntries(environment) as Record<string, string>;
      if ('TENANTRY_STORE_URL' in known) known['TENANTRY_STORE_URL'] = 'postgres://tenantry:secret@10.0.0.6:5432/tenantry';
      if ('TENANTRY_DATABASE_URL_FILE' in known) known['TENANTRY_DATABASE_URL_FILE'] = url;
      return known;
    };
    try {
      const operator = readOperator(environmentOf('tenantry-operator'));
      expect(operator.systemNamespace).toBe(systemNamespace);
      expect(operator.lease).toBeDefined();
      expect(readControlPlane(environmentOf('tenantry-control-plane')).lease).toBeDefined();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('pods of the chart', () => {
  const namespace = `chart-${randomUUID().slice(0, 8)}`;
  beforeAll(async () => {
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted', 'pod-security.kubernetes.io/enforce-version': 'latest' };
    const created = await run(
      'kubectl',
      ['create', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }),
    );
    expect(created.errors).toBe('');
    // Pods are refused until the namespace has its account.
    await run('kubectl', ['wait', '--for=create', 'serviceaccount/default', '-n', namespace, '--timeout=30s']);
  });
  afterAll(async () => {
    await run('kubectl', ['delete', 'namespace', namespace, '--wait=false']);
  });

  test.each(examples)('with %s satisfy the Pod Security Standard restricted', async (file) => {
    const pods = podsOf(await render(['--values', file]));
    expect(pods.map(({ name }) => name).toSorted()).toEqual([
      'tenantry-check pre-delete',
      'tenantry-check test',
      'tenantry-control-plane',
      'tenantry-operator',
    ]);
    const items = pods.map(({ spec }, index) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${index}`, namespace },
      spec: { ...spec, serviceAccountName: 'default' },
    }));
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    expect((await run('kubectl', ['create', '--dry-run=server', '-f', '-'], list)).errors).toBe('');
  });
});

describe('the chart refuses wrong values with a remedy', () => {
  const minimal = ['--values', example('minimal')];
  test.each<[string, string[], RegExp]>([
    [
      'no values',
      [],
      /baseUrl: set it.*workos\.clientId: set it.*platformOrganizationId: set it.*workos\.existingSecret\.name: name a Secret.*controlPlane\.existingSecret\.name: name a Secret.*controllerNamespace/s,
    ],
    ['a Gateway without a name', [...minimal, '--set', 'routing.kind=gateway'], /routing\.gateway\.name: name the Gateway/],
    ['hosts below an address', [...minimal, '--set', 'baseUrl=https://192.0.2.1,routing.mode=host'], /baseUrl: give it a domain/],
    ['hosts below a path', [...minimal, '--set', 'baseUrl=https://a.example/x,routing.mode=host'], /baseUrl: remove its path/],
    [
      "an Admin API under a tenant's host",
      [...minimal, '--set', 'routing.mode=host,admin.host=acme.mcp.example.com'],
      /admin\.host: take a host that no tenant can have/,
    ],
    ['a misspelt value', [...minimal, '--set', 'routing.Kind=gateway'], /routing.*Kind/s],
    ['a value of the wrong kind', [...minimal, '--set', 'operator.replicas=0'], /operator\/replicas|operator\.replicas/],
  ])('%s', async (_what, args, message) => {
    const { code, errors } = await run('helm', ['template', 'tenantry', chart, '--namespace', systemNamespace, ...args]);
    expect(errors).toMatch(message);
    expect(code).not.toBe(0);
  });

  test('a namespace that begins with tenant-', async () => {
    await expect(render(minimal, 'tenant-acme')).rejects.toThrow(/install into another/);
  });
});

test('uses registry and tag of the values in pods and templates', async () => {
  const manifests = await render(['--values', example('gateway'), '--set', 'image.tag=1.2.3']);
  const images = podsOf(manifests).flatMap(({ spec }) => spec.containers.map(({ image }) => image));
  expect([...new Set(images)].toSorted()).toEqual([
    'registry.example.com/mirror/tenantry/control-plane:1.2.3',
    'registry.example.com/mirror/tenantry/operator:1.2.3',
  ]);
  const { data } = find(manifests, 'ConfigMap', 'tenantry-templates') as Manifest & { data: Record<string, string> };
  const template = parse(data['toolbridge.yaml'] ?? '') as { spec: { containers: { image: string }[] } };
  expect(template.spec.containers[0]?.image).toBe('registry.example.com/mirror/tenantry/tenant:1.2.3');
});

test('replaces the operator pod when a template changes', async () => {
  const checksum = async (...args: string[]): Promise<unknown> => {
    const manifest = find(await render(['--values', example('minimal'), ...args]), 'Deployment', 'tenantry-operator');
    return (manifest['spec'] as { template: Manifest }).template.metadata.annotations?.['checksum/templates'];
  };
  expect(await checksum('--set', 'image.tag=1.2.3')).not.toBe(await checksum());
  expect(await checksum('--set', 'logLevel=debug')).toBe(await checksum());
});

test('renders no Secret and only references to Secrets', async () => {
  const manifests = await render(['--values', example('gateway')]);
  expect(manifests.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  const control = podsOf(manifests).find(({ name }) => name === 'tenantry-control-plane');
  const env = control?.spec.containers[0]?.env ?? [];
  for (const [name, secret, key] of [
    ['WORKOS_API_KEY', 'workos', 'api-key'],
    ['WORKOS_WEBHOOK_SECRET', 'workos', 'webhook-secret'],
    ['TENANTRY_STORE_URL', 'control-plane', 'store-url'],
  ]) {
    expect(env.find((variable) => variable.name === name)).toEqual({ name, valueFrom: { secretKeyRef: { name: secret, key } } });
  }
});

test('leaves out definitions and built-in templates on request', async () => {
  const manifests = await render(['--values', example('minimal'), '--set', 'crds.install=false,builtinTemplates=false']);
  expect(manifests.filter(({ kind }) => kind === 'CustomResourceDefinition' || kind === 'ConfigMap')).toEqual([]);
});
