import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { KubeClient } from '../../../kube/client.ts';
import { kinds } from '../../../kube/resources.ts';

const dir = mkdtempSync(join(tmpdir(), 'tenantry-transport-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function kubeconfig(server: string): string {
  const file = join(dir, 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

test('where no cluster is configured, the error tells how to configure one', async () => {
  // What client-node falls back to.
  const client = KubeClient.fromConfig({ kubeconfig: kubeconfig('http://localhost:8080') });
  await expect(client.version()).rejects.toThrow('no Kubernetes cluster is configured: set KUBECONFIG');
});

test('a write that must not be sent is not sent, while reads go on', async () => {
  const client = KubeClient.fromConfig({
    kubeconfig: kubeconfig('https://127.0.0.1:1'),
    beforeWrite: () => {
      throw new Error('not now');
    },
  });
  await expect(client.post(kinds.Pod, 'p', 'binding', {}, { namespace: 'default' })).rejects.toThrow('not now');
  await expect(client.version()).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
});
