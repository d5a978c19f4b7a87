import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { environmentOf, expand, fieldOf, MissingReferenceError, type PodFacts, type ReadData } from '../../../../local/node/environment.ts';
import type { Container } from '../../../../local/node/pod.ts';

const facts: PodFacts = {
  pod: {
    metadata: { name: 'web-0', namespace: 'shop', uid: 'u-1', labels: { app: 'web' }, annotations: { b: 'x"y', a: '1' } },
    spec: { containers: [], serviceAccountName: 'runner' },
  },
  podIp: '127.9.8.7',
  hostIp: '127.0.0.1',
  nodeName: 'here',
  capacity: { cpu: '4', memory: '8Gi' },
};
const stored: Record<string, Record<string, string>> = { 'Secret/db': { url: 'postgres://x' }, 'ConfigMap/site': { TITLE: 'Shop' } };
const read: ReadData = async (kind, name) => {
  const data = stored[`${kind}/${name}`];
  return data && new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)]));
};
const container = (rest: Partial<Container>): Container => ({ name: 'c', image: 'i', ...rest });

describe('environment of a container', () => {
  it('takes values from the pod, from Secrets and from ConfigMaps', async () => {
    const env = await environmentOf(
      container({
        envFrom: [{ prefix: 'SITE_', configMapRef: { name: 'site' } }],
        env: [
          { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'BASE', value: 'http://$(POD_IP):8081/$(SITE_TITLE)' },
          { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } },
        ],
      }),
      facts,
      read,
    );
    expect(env).toEqual({
      SITE_TITLE: 'Shop',
      POD_IP: '127.9.8.7',
      BASE: 'http://127.9.8.7:8081/Shop',
      DATABASE_URL: 'postgres://x',
    });
  });

  it('expands only what was defined before', async () => {
    const env = await environmentOf(
      container({
        env: [
          { name: 'A', value: '$(B)' },
          { name: 'B', value: '1' },
        ],
      }),
      facts,
      read,
    );
    expect(env).toEqual({ A: '$(B)', B: '1' });
  });

  it('waits for objects and keys that do not exist, unless they are optional', async () => {
    const wanting = (ref: { name: string; key: string; optional?: boolean }) =>
      environmentOf(container({ env: [{ name: 'A', valueFrom: { secretKeyRef: ref } }] }), facts, read);
    await expect(wanting({ name: 'none', key: 'url' })).rejects.toThrow(MissingReferenceError);
    await expect(wanting({ name: 'db', key: 'none' })).rejects.toThrow('couldn\'t find key none in secret "db"');
    await expect(wanting({ name: 'none', key: 'url', optional: true })).resolves.toEqual({});
  });

  it('knows limits, and the machine where there are none', async () => {
    const env = await environmentOf(
      container({
        resources: { limits: { memory: '128Mi' }, requests: { cpu: '250m' } },
        env: [
          { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
          { name: 'CPU_LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
          { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
        ],
      }),
      facts,
      read,
    );
    expect(env).toEqual({ MEMORY: '128', CPU_LIMIT: '4', CPU: '250' });
  });

  it('formats labels and annotations as the kubelet does', () => {
    expect(fieldOf(facts, "metadata.labels['app']")).toBe('web');
    expect(fieldOf(facts, 'metadata.annotations')).toBe('a="1"\nb="x\\"y"');
    expect(() => fieldOf(facts, 'spec.containers')).toThrow('no field');
  });
});

describe('expansion', () => {
  it('leaves text without dollar signs alone', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('$')),
        (text) => expand(text, { A: '1' }) === text,
      ),
    );
  });

  it('turns an escaped reference into its text', () => {
    expect(expand('$$(A) $(A) $(NONE) $A', { A: '1' })).toBe('$(A) 1 $(NONE) $A');
  });

  it('does not expand what a value contains', () => {
    expect(expand('$(A)', { A: '$(B)', B: '1' })).toBe('$(B)');
  });
});
