import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findClusterBinaries } from '../../local/kubernetes/binaries.ts';
import { nodeName } from './cluster/addresses.ts';
import { ctr } from './cluster/containerd.ts';
import { Kubectl } from './cluster/kubectl.ts';

const execute = promisify(execFile);

/** Memory of a container in bytes, as its control group counts it. */
export interface ContainerMemory {
  readonly usage: number;
  /** Without the file cache that can be dropped at once; what kubelet compares with the limit. */
  readonly workingSet: number;
}

interface ProbedPod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly spec: Readonly<Record<'containers' | 'initContainers', readonly { name: string; readinessProbe?: object }[]>>;
  readonly status: { readonly phase?: string };
}

/** The node under the tests: what a person with root on it can do. A container is named by its `containerID` in the pod's status. */
export class ClusterNode {
  readonly kubectl: Kubectl;

  constructor(kubeconfig: string) {
    this.kubectl = new Kubectl(findClusterBinaries().kubectl, kubeconfig);
  }

  /** Number of the first process of a container. @throws Error when the container does not run. */
  async processOf(containerId: string): Promise<number> {
    const id = containerId.replace(/^containerd:\/\//, '');
    const task = (await ctr('tasks', 'ls')).split('\n').find((line) => line.startsWith(id));
    const pid = Number(task?.split(/\s+/)[1]);
    if (!Number.isInteger(pid) || pid < 2) throw new Error(`the container ${id} does not run`);
    return pid;
  }

  async killContainer(containerId: string): Promise<void> {
    process.kill(await this.processOf(containerId), 'SIGKILL');
  }

  /**
   * Kills the kubelet and waits until a new one has found every container ready that it probes. The pods go on meanwhile; until it has
   * probed them, a new kubelet may report them as not ready (https://github.com/kubernetes/kubernetes/issues/100277).
   */
  async restartAgent(signal: AbortSignal = AbortSignal.timeout(60_000)): Promise<void> {
    const before = processNamed('kubelet');
    process.kill(before, 'SIGKILL');
    for (;;) {
      signal.throwIfAborted();
      const now = tryTo(() => processNamed('kubelet'));
      if (now !== undefined && now !== before && (await healthy('http://127.0.0.1:10248/healthz')) && (await this.#probedAll())) return;
      await delay(50, undefined, { signal });
    }
  }

  /** Whether the kubelet that runs now has seen each container ready that has a readiness probe. */
  async #probedAll(): Promise<boolean> {
    const metrics = tryTo(() => this.kubectl.run(['get', '--raw', `/api/v1/nodes/${nodeName}/proxy/metrics/probes`]));
    const text = await metrics?.catch(() => undefined);
    const { items } = JSON.parse(await this.kubectl.run(['get', 'pods', '-A', '-o', 'json'])) as { items: ProbedPod[] };
    const probed = items
      .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running')
      .flatMap(({ metadata, spec }) =>
        [...(spec.initContainers ?? []), ...spec.containers]
          .filter(({ readinessProbe }) => readinessProbe !== undefined)
          .map(({ name }) => ({ pod: metadata.name, name })),
      );
    return probed.every(({ pod, name }) =>
      text
        ?.split('\n')
        .some((line) =>
          ['readiness"', '"successful"', `pod="${pod}"`, `container="${name}"`].every((part) => line.toLowerCase().includes(part)),
        ),
    );
  }

  /** Runs a command in a container of a pod. @returns its standard output. */
  exec(pod: { namespace: string; name: string; container?: string }, command: readonly string[]): Promise<string> {
    const container = pod.container === undefined ? [] : ['-c', pod.container];
    return this.kubectl.run(['-n', pod.namespace, 'exec', pod.name, ...container, '--', ...command]);
  }

  /**
   * Whether a TCP connection can be opened from a container's network to an address, or why not: `refused` by the other side, or no answer
   * in time, which is what a policy looks like.
   */
  async connect(containerId: string, host: string, port: number, timeoutMs = 3_000): Promise<'connected' | 'refused' | 'no answer'> {
    const program = `const s=require('node:net').connect({host:process.argv[1],port:+process.argv[2]});
      const say=(t)=>{console.log(t);process.exit()};
      s.on('connect',()=>say('connected'));s.on('error',(e)=>say(e.code==='ECONNREFUSED'?'refused':'no answer'));
      setTimeout(()=>say('no answer'),+process.argv[3]);`;
    const pid = await this.processOf(containerId);
    const args = ['--target', String(pid), '--net', process.execPath, '-e', program, host, String(port), String(timeoutMs)];
    const { stdout } = await execute('nsenter', args);
    return stdout.trim() as 'connected' | 'refused' | 'no answer';
  }

  async memoryOf(containerId: string): Promise<ContainerMemory> {
    const groups = readFileSync(`/proc/${await this.processOf(containerId)}/cgroup`, 'utf8');
    const first = /^\d+:memory:(.+)$/m.exec(groups)?.[1];
    const second = /^0::(.+)$/m.exec(groups)?.[1];
    const [folder, counter, inactive] =
      first === undefined
        ? [`/sys/fs/cgroup${second}`, 'memory.current', 'inactive_file']
        : [`/sys/fs/cgroup/memory${first}`, 'memory.usage_in_bytes', 'total_inactive_file'];
    const usage = Number(readFileSync(`${folder}/${counter}`, 'utf8'));
    const dropped = Number(new RegExp(`^${inactive} (\\d+)$`, 'm').exec(readFileSync(`${folder}/memory.stat`, 'utf8'))?.[1] ?? 0);
    return { usage, workingSet: Math.max(0, usage - dropped) };
  }
}

/** The process that runs a program of this name; the namespace holds no others of it. */
function processNamed(program: string): number {
  const pid = readdirSync('/proc').find(
    (entry) => /^\d+$/.test(entry) && tryTo(() => basename(readlinkSync(`/proc/${entry}/exe`))) === program,
  );
  if (pid === undefined) throw new Error(`${program} does not run`);
  return Number(pid);
}

async function healthy(url: string): Promise<boolean> {
  const response = await fetch(url).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok === true;
}

function tryTo<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
