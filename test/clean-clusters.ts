import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { KubeClient } from '../kube/client.ts';
import { type KubeObject, kinds, type Resource } from '../kube/resources.ts';
import { type Kubernetes, startKubernetes } from '../local/kubernetes/start.ts';

/** Kubeconfig files of a lent cluster. */
export interface Lease {
  readonly id: string;
  readonly admin: string;
  readonly controlPlane: string;
}

/**
 * Lends Kubernetes APIs on which nothing acts to one file of tests at a time: `POST /` answers a lease, `DELETE /<id>` gives it back. A
 * cluster is started when none is free, and emptied after each use: starting one takes longer than many a file.
 */
export interface CleanClusters {
  readonly url: string;
  stop(): Promise<void>;
}

interface Lent {
  readonly dir: string;
  readonly kubernetes: Kubernetes;
}

export async function lendClusters(): Promise<CleanClusters> {
  const all: Lent[] = [];
  const free: Lent[] = [];
  const lent = new Map<string, Lent>();
  /** Those that are being emptied, which a new lease rather waits for than starts another. */
  const returning = new Set<Promise<void>>();

  const take = async (): Promise<Lease> => {
    while (free.length === 0 && returning.size > 0) await Promise.race(returning);
    const cluster = free.pop() ?? (await start());
    if (!all.includes(cluster)) all.push(cluster);
    const id = randomUUID();
    lent.set(id, cluster);
    const { admin, controlPlane } = cluster.kubernetes.kubeconfigs;
    return { id, admin, controlPlane };
  };
  const giveBack = (id: string): void => {
    const cluster = lent.get(id);
    lent.delete(id);
    if (cluster === undefined) return;
    const emptying = empty(cluster.kubernetes.kubeconfigs.admin)
      .then(() => void free.push(cluster))
      // One that cannot be emptied is not lent again.
      .catch(() => {})
      .finally(() => returning.delete(emptying));
    returning.add(emptying);
  };

  const server = createServer((request, response) => {
    const answer = async (): Promise<void> => {
      if (request.method === 'POST') {
        response.end(JSON.stringify(await take()));
        return;
      }
      giveBack((request.url ?? '').slice(1));
      response.end('{}');
    };
    answer().catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.close();
      server.closeAllConnections();
      for (const { dir, kubernetes } of all) {
        await kubernetes.stop();
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
}

async function start(): Promise<Lent> {
  const dir = mkdtempSync(join(tmpdir(), 'tenantry-clean-'));
  return { dir, kubernetes: await startKubernetes({ dir, fsync: false, log: pino({ level: 'silent' }) }) };
}

const emptied: readonly Resource[] = [kinds.Tenant, kinds.StackTemplate, kinds.StackTemplateRevision, kinds.DomainClaim, kinds.ApiKey];
const everyCluster = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

/** Removes all that a control plane and its tests make. */
async function empty(kubeconfig: string): Promise<void> {
  const client = KubeClient.fromConfig({ kubeconfig });
  try {
    const left = async (): Promise<(readonly [Resource, KubeObject])[]> => {
      const found: (readonly [Resource, KubeObject])[] = [];
      for (const resource of emptied) for (const object of (await client.list(resource)).items) found.push([resource, object]);
      for (const lease of (await client.list(kinds.Lease, { namespace: 'default' })).items) found.push([kinds.Lease, lease]);
      for (const namespace of (await client.list(kinds.Namespace)).items)
        if (!everyCluster.has(namespace.metadata.name)) found.push([kinds.Namespace, namespace]);
      return found;
    };
    const end = Date.now() + 120_000;
    for (let objects = await left(); objects.length > 0; objects = await left()) {
      if (Date.now() > end) throw new Error(`${objects.length} objects do not go`);
      for (const [resource, { metadata }] of objects) {
        const at = metadata.namespace === undefined ? {} : { namespace: metadata.namespace };
        if (metadata.finalizers !== undefined) {
          await client.patch(resource, metadata.name, { metadata: { finalizers: null } }, at).catch(() => {});
        }
        if (metadata.deletionTimestamp === undefined) await client.delete(resource, metadata.name, at);
      }
      await delay(100);
    }
  } finally {
    await client.close();
  }
}
