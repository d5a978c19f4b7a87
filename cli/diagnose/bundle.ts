import { open, rename, rm } from 'node:fs/promises';
import { createTarGzip } from 'nanotar';
import { stringify } from 'yaml';
import { KubeError } from '../../kube/errors.ts';
import { type KubeObject, kinds, type Resource } from '../../kube/resources.ts';
import { Failure } from '../failure.ts';
import type { Cluster, Pod } from './cluster.ts';
import { presentable } from './presentable.ts';
import type { Redactor } from './redact.ts';
import type { Scene } from './scene.ts';
import type { Walk } from './walk.ts';

/** Kinds in a tenant's namespace that a bundle shows. Secrets and ConfigMaps are only listed: their contents are not read. */
const shown: readonly Resource[] = [
  kinds.Deployment,
  kinds.ReplicaSet,
  kinds.Pod,
  kinds.Job,
  kinds.Service,
  kinds.Ingress,
  kinds.HTTPRoute,
  kinds.NetworkPolicy,
  kinds.ResourceQuota,
  kinds.LimitRange,
  kinds.ServiceAccount,
  kinds.ApiKey,
];
const namesOnly: readonly Resource[] = [kinds.Secret, kinds.ConfigMap];
const logLines = 1000;

/** Writes the walk, objects, events and logs to one .tar.gz that only its owner can read. The redactor filters every text. */
export async function writeBundle(file: string, scene: Scene, walk: Walk, redactor: Redactor): Promise<void> {
  const files = new Map<string, string>();
  files.set('walk.json', `${JSON.stringify(walk, null, 2)}\n`);
  files.set('about.txt', about(scene, walk));
  if (scene.cluster !== undefined && scene.tenant !== undefined) await collect(scene.cluster, scene.tenant.name, files);
  else if (scene.tenant !== undefined)
    files.set('tenant.yaml', yamlOf(presentable({ metadata: { name: scene.tenant.name }, ...scene.tenant })));
  const entries = [...files].map(([name, text]) => ({
    name: `tenantry-diagnose/${name}`,
    data: redactor.text(text),
    attrs: { mode: '600', uid: 0, gid: 0 },
  }));
  await keep(file, await createTarGzip(entries));
}

async function collect(cluster: Cluster, tenant: string, files: Map<string, string>): Promise<void> {
  const missing: string[] = [];
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      missing.push(`${what}: ${error.message}`);
    }
  };
  const add = (name: string, objects: readonly unknown[]): void => {
    if (objects.length > 0) files.set(name, objects.map((object) => yamlOf(presentable(object))).join('---\n'));
  };
  await attempt('Tenant', async () => add('tenant.yaml', [await cluster.find<KubeObject>(kinds.Tenant, tenant)]));
  await attempt('Namespace', async () => add('namespace.yaml', [await cluster.find<KubeObject>(kinds.Namespace, `tenant-${tenant}`)]));
  for (const kind of shown) await attempt(kind.kind, async () => add(`objects/${kind.plural}.yaml`, await cluster.list(kind, tenant)));
  for (const kind of namesOnly)
    await attempt(kind.kind, async () => {
      const objects = await cluster.list<KubeObject>(kind, tenant, { metadataOnly: true });
      add(
        `objects/${kind.plural}.yaml`,
        objects.map(({ metadata: { name, uid, creationTimestamp, labels } }) => ({
          kind: kind.kind,
          metadata: { name, uid, creationTimestamp, labels },
        })),
      );
    });
  await attempt('events', async () => {
    const events = await cluster.events(tenant);
    add('events.yaml', events);
  });
  await attempt('logs', async () => {
    for (const pod of await cluster.list<Pod>(kinds.Pod, tenant)) await collectLogs(cluster, tenant, pod, files);
  });
  if (missing.length > 0) files.set('missing.txt', `${missing.join('\n')}\n`);
}

async function collectLogs(cluster: Cluster, tenant: string, pod: Pod, files: Map<string, string>): Promise<void> {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const { name, restartCount } of statuses) {
    for (const previous of restartCount > 0 ? [false, true] : [false]) {
      const text = await cluster.log(tenant, pod.metadata.name, name, { lines: logLines, previous });
      if (text !== '') files.set(`logs/${pod.metadata.name}/${name}${previous ? '.previous' : ''}.log`, text);
    }
  }
}

function about(scene: Scene, { time }: Walk): string {
  return [
    `Written by tenantry diagnose at ${time}.`,
    `Tenant: ${scene.tenant?.name ?? 'unknown'}; URL: ${scene.url ?? 'none'}.`,
    `Cluster: ${scene.cluster === undefined ? `not looked into (${scene.noClusterBecause})` : scene.cluster.server}.`,
    'Values of Secrets and of environment variables are not in it; secrets in logs and events are taken out where they are known or look like one.',
    '',
  ].join('\n');
}

const yamlOf = (value: unknown): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });

/** Writes the file atomically, readable by its owner only. */
async function keep(file: string, data: Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(data);
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new Failure('failed', `${file} cannot be written: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
}
