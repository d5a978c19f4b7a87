import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeClient } from '../../kube/client.ts';
import { Reflector } from '../../kube/reflector.ts';
import { kinds } from '../../kube/resources.ts';
import { WorkQueue } from '../../kube/work-queue.ts';
import type { NodeServing } from '../kubernetes/start.ts';
import { claimFolder } from '../machine/claimed-folder.ts';
import type { Log } from '../machine/process.ts';
import { Addresses } from './addresses.ts';
import { PodEvents } from './events.ts';
import { chooseOwner } from './identity.ts';
import type { LocalImages } from './images.ts';
import { startLogServer } from './log-server.ts';
import type { Pod } from './pod.ts';
import { type NodeContext, PodRunner, podFolderName } from './pod-runner.ts';
import { hostIp, offerOfThisMachine, registerNode, renewLease, watchNode } from './registration.ts';
import { isPending, schedule } from './scheduler.ts';
import { Secrets } from './secrets.ts';

const tickMs = 10_000;
/** Grace period at shutdown, in milliseconds. Long enough for a clean exit, and short enough for a user who waits after Ctrl-C. */
const shutdownGraceMs = 5_000;

export interface NodeAgentOptions {
  readonly client: KubeClient;
  /** State folder. When root runs the agent, all users must be able to traverse every parent folder. Otherwise pods run as root. */
  readonly dir: string;
  readonly images: LocalImages;
  /** `nodeServing` of startKubernetes. */
  readonly serving: NodeServing;
  readonly log: Log;
  /** Environment for every container. The pod's own variables take precedence. */
  readonly extraEnv?: Readonly<Record<string, string>>;
}

export interface NodeAgent {
  /** Ends all processes of pods. The Pod objects stay for the next start. */
  stop(): Promise<void>;
}

/**
 * Makes this machine a node that runs pods as local processes, and binds pods to it. pod.ts describes the pods that it runs.
 * Resolves when the node is registered and every pod of an earlier run is taken over.
 */
export async function startNodeAgent(options: NodeAgentOptions): Promise<NodeAgent> {
  const { client, dir, images, log } = options;
  const folder = await claimFolder(dir, 0o711);
  if (folder.orphans > 0) log.info({ processes: folder.orphans }, 'ended processes of pods that an earlier run had left');
  const podsFolder = join(dir, 'pods');
  mkdirSync(podsFolder, { recursive: true, mode: 0o711 });
  const stopping = new AbortController();
  const { signal } = stopping;
  const runners = new Map<string, PodRunner>();
  const offer = offerOfThisMachine();
  const scheduling = new WorkQueue({
    onFailure: (pod, error, again) => log.debug({ pod, err: error, again }, 'pod not bound, trying again'),
  });
  const secrets = new Secrets({
    client,
    log,
    onChange: (namespace, name) => {
      for (const runner of runners.values()) if (runner.name.startsWith(`${namespace}/`)) runner.secretChanged(name);
    },
  });
  const context: NodeContext = {
    client,
    hostIp,
    podsFolder,
    images,
    extraEnv: options.extraEnv ?? {},
    addresses: new Addresses(),
    ownerOf: chooseOwner({ readable: Object.values(images).flatMap(({ entrypoint }) => entrypoint.filter(isPath)), traversable: dir, log }),
    secrets,
    events: new PodEvents({ client, nodeName: offer.name, log }),
    records: folder.records,
    log,
  };

  const take = async (pod: Pod): Promise<void> => {
    const runner = new PodRunner(pod, context);
    runners.set(runner.uid, runner);
    await runner.start();
  };
  let taking: Promise<void>[] | undefined = [];
  const pods = new Reflector<Pod>({
    client,
    resource: kinds.Pod,
    onChange: (key, current, previous) => {
      const uid = (current ?? previous)?.metadata.uid ?? '';
      const runner = runners.get(uid);
      if (current === undefined) {
        void runner?.removed().finally(() => runners.delete(uid));
      } else if (runner !== undefined) runner.update(current);
      else if (current.spec.nodeName === offer.name) {
        const taken = take(current);
        if (taking !== undefined) taking.push(taken);
      } else if (isPending(current)) scheduling.add(key);
    },
    onError: (error) => log.debug({ err: error }, 'watch of pods failed, trying again'),
  });

  const logServer = await startLogServer(options.serving, (namespace, pod, container) => {
    const uid = pods.get(`${namespace}/${pod}`)?.metadata.uid;
    return uid === undefined ? undefined : runners.get(uid)?.logOf(container);
  });
  const stop = async () => {
    clearInterval(ticking);
    stopping.abort();
    await logServer.stop();
    await binding;
    await Promise.all([...runners.values()].map((runner) => runner.shutdown(shutdownGraceMs)));
    folder.release();
  };
  const heartbeat = () =>
    renewLease(client, offer, signal).catch((error: unknown) => {
      if (!signal.aborted) log.warn({ err: error }, 'heartbeat of the node not written, trying again');
    });
  const ticking = setInterval(() => {
    void heartbeat();
    for (const runner of runners.values()) runner.tick();
  }, tickMs);
  let binding: Promise<void> = Promise.resolve();
  try {
    await registerNode(client, offer, logServer.port, signal);
    await heartbeat();
    await watchNode(client, offer, logServer.port, log, signal);
    await secrets.start(signal);
    await pods.start(signal);
    removeStrangers(podsFolder, pods.list());
    await Promise.all(taking);
    taking = undefined;
  } catch (error) {
    await stop();
    throw error;
  }
  binding = scheduling.run(
    4,
    async (key, running) => {
      const pod = pods.get(key);
      if (pod !== undefined && isPending(pod)) await schedule(client, pod, offer, context.events, running);
      return undefined;
    },
    signal,
  );
  return { stop };
}

function isPath(word: string): boolean {
  return word.startsWith('/');
}

/** Removes the folders of pods that were deleted while no agent ran, and the leftover volumes of the other pods. */
function removeStrangers(podsFolder: string, pods: readonly Pod[]): void {
  const known = new Set(pods.map(podFolderName));
  for (const entry of readdirSync(podsFolder)) {
    if (!known.has(entry)) rmSync(join(podsFolder, entry), { recursive: true, force: true });
  }
}
