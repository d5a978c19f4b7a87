import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseQuantity } from '../../../../crds/quantity.ts';
import { Addresses, formatAddress, parseAddress } from '../../../../local/node/addresses.ts';
import { entryOf, repositoryOf } from '../../../../local/node/images.ts';
import { lastLines } from '../../../../local/node/log-server.ts';
import { type Pod, unsupportedField } from '../../../../local/node/pod.ts';
import { RestartPause } from '../../../../local/node/restart-pause.ts';
import { isPending, misfit, type NodeOffer } from '../../../../local/node/scheduler.ts';
import { renderMigrationPod, renderPodTemplate } from '../../../../operator/render/pod.ts';
import { blueprint } from '../../gen.ts';

describe('an image reference', () => {
  it('is known by its repository, whatever its tag and digest', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    for (const suffix of ['', ':1.2', `@${digest}`, `:1.2@${digest}`]) {
      expect(repositoryOf(`localhost:5000/acme/api${suffix}`)).toBe('localhost:5000/acme/api');
      expect(repositoryOf(`acme/api${suffix}`)).toBe('acme/api');
    }
  });

  it('means nothing when it is not known, unless the container has a command', () => {
    const images = { 'acme/api': { entrypoint: ['node', 'api.js'], env: { A: '1' } } };
    expect(entryOf({ name: 'c', image: 'acme/api:2' }, images)?.entrypoint).toEqual(['node', 'api.js']);
    expect(entryOf({ name: 'c', image: 'acme/other' }, images)).toBeUndefined();
    expect(entryOf({ name: 'c', image: 'toString' }, images)).toBeUndefined();
    expect(entryOf({ name: 'c', image: 'acme/other', command: ['./mine'] }, images)?.entrypoint).toEqual(['./mine']);
  });
});

describe('pauses between restarts', () => {
  it('begin with none, then double from 1 s to 5 min', () => {
    const pause = new RestartPause();
    expect(Array.from({ length: 12 }, () => pause.after(10) / 1000)).toEqual([0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  });

  it('begin anew after ten good minutes', () => {
    const pause = new RestartPause();
    for (let i = 0; i < 5; i++) pause.after(0);
    expect(pause.after(600_000)).toBe(0);
    expect(pause.after(0)).toBe(1000);
  });
});

describe('quantities', () => {
  it('are cores and bytes', () => {
    expect(['250m', '2', '1.5', '128Mi', '1k', '2e3'].map(parseQuantity)).toEqual([0.25, 2, 1.5, 134217728, 1000, 2000]);
    expect(() => parseQuantity('much')).toThrow('not a quantity');
  });
});

describe('addresses of pods', () => {
  it('are loopback addresses and survive being written and read', () => {
    fc.assert(fc.property(fc.integer({ min: 0x7f000000, max: 0x7fffffff }), (value) => parseAddress(formatAddress(value)) === value));
  });

  it('are unique, and one that was freed is not the next', async () => {
    const addresses = new Addresses(parseAddress('127.200.0.250'));
    const taken = [await addresses.take([]), await addresses.take([]), await addresses.take([])];
    addresses.release(taken[2] ?? '');
    taken.push(await addresses.take([]), await addresses.take([]), await addresses.take([]));
    expect(new Set(taken).size).toBe(6);
    expect(taken.every((address) => /^127\.200\.[01]\./.test(address) && !/\.(0|255)$/.test(address))).toBe(true);
  });
});

describe('scheduling', () => {
  const node: NodeOffer = { name: 'here', labels: { 'kubernetes.io/os': 'linux' }, capacity: { cpu: '2', memory: '4Gi' } };
  const pod = (spec: Partial<Pod['spec']>): Pod => ({ metadata: { name: 'p' }, spec: { containers: [], ...spec } });

  it('takes pods that are not bound to a node', () => {
    expect(isPending(pod({}))).toBe(true);
    expect(isPending(pod({ nodeName: 'here' }))).toBe(false);
  });

  it('refuses a pod that requests more than the machine has', () => {
    const requesting = (cpu: string) => pod({ containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] });
    expect(misfit(requesting('1500m'), node)).toBeUndefined();
    expect(misfit(requesting('3'), node)).toBe('the pod requests more cpu than this machine has (2)');
  });

  it('refuses a pod with a field that the node agent does not support', () => {
    expect(misfit(pod({ nodeSelector: { gpu: 'yes' } } as never), node)).toContain('spec.nodeSelector is not supported');
  });
});

describe('the fields of a pod', () => {
  const main = { name: 'main', image: 'i' };
  const unsupported = (spec: object) => unsupportedField({ spec: { containers: [main], ...spec } });

  it.each([
    ['signed assertions', {}],
    ['a static secret', { upstreamAuth: { mode: 'static', header: 'X-Key', secret: 'key' }, secrets: [{ name: 'key' }] }],
    ['all probes', { containers: [{ name: 'api', image: 'i', command: ['api'], readyPath: '/ready', livePath: '/live' }] }],
  ])('are supported in every pod that the operator renders: %s', (_name, spec) => {
    const rendered = blueprint({ template: spec, environment: { TENANTRY_DRAIN_SECONDS: '5' } });
    const pods = [renderPodTemplate(rendered), renderMigrationPod(rendered)];
    expect(pods.map((one) => unsupportedField(one as { spec: object }))).toEqual([undefined, undefined]);
  });

  it.each([
    ['spec.activeDeadlineSeconds is not supported', { activeDeadlineSeconds: 1 }],
    ['spec.restartPolicy', { restartPolicy: 'OnFailure' }],
    ['spec.initContainers[0].restartPolicy must be Always', { initContainers: [main] }],
    ['spec.containers[0].workingDir is not supported', { containers: [{ ...main, workingDir: '/' }] }],
    ['spec.containers[0].envFrom is not supported', { containers: [{ ...main, envFrom: [] }] }],
    [
      'spec.containers[0].env[0].valueFrom.configMapKeyRef is not supported',
      { containers: [{ ...main, env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } }] }] },
    ],
    ['spec.containers[0].readinessProbe', { containers: [{ ...main, readinessProbe: { exec: { command: ['true'] } } }] }],
    ['spec.containers[0].lifecycle', { containers: [{ ...main, lifecycle: { preStop: { exec: { command: ['true'] } } } }] }],
    [
      'spec.containers[0].volumeMounts[0].subPath is not supported',
      { containers: [{ ...main, volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 's' }] }] },
    ],
    ['spec.volumes[0].configMap is not supported', { volumes: [{ name: 'v', configMap: { name: 'c' } }] }],
    ['spec.volumes[0].projected.sources[0]', { volumes: [{ name: 'v', projected: { sources: [{ downwardAPI: {} }] } }] }],
  ])('are refused otherwise: %s', (expected, spec) => {
    expect(unsupported(spec)).toContain(expected);
  });
});

describe('the last lines of a log', () => {
  it('are whole lines', () => {
    expect(lastLines('a\nb\nc\n', 2)).toBe('b\nc\n');
    expect(lastLines('a\nb\nc', 1)).toBe('c');
    expect(lastLines('a\n', 5)).toBe('a\n');
    expect(lastLines('a\n', 0)).toBe('');
  });
});
