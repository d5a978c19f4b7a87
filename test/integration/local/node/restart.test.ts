import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KubeClient } from '../../../../kube/client.ts';
import { type KubeObject, kinds } from '../../../../kube/resources.ts';
import type { Pod } from '../../../../local/node/pod.ts';

/** A cluster of its own, because it is killed. */

interface Run {
  readonly process: ChildProcess;
  readonly admin: string;
  readonly url: string;
  readonly postgres: string;
}

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tenantry-restart-'));
  chmodSync(dir, 0o755);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function start(): Promise<Run> {
  const script = join(import.meta.dirname, 'supervisor.ts');
  const child = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    child.once('exit', (code) => reject(new Error(`the run ended with ${code}: ${errors}`)));
  });
  return { process: child, ...(JSON.parse(line) as { admin: string; url: string; postgres: string }) };
}

function end(run: Run, signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise<void>((resolve) => run.process.once('exit', () => resolve()));
  run.process.kill(signal);
  return ended;
}

/** Processes whose command line, environment or working folder names the state folder. */
function processesOfRun(): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
    try {
      if (/\) Z /.test(readFileSync(`/proc/${entry}/stat`, 'utf8'))) return [];
      const text = readFileSync(`/proc/${entry}/cmdline`, 'latin1') + readFileSync(`/proc/${entry}/environ`, 'latin1');
      return text.includes(dir) ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

async function readyPod(client: KubeClient, restarts: number): Promise<Pod> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const pod = await client.find<Pod>(kinds.Pod, 'survivor', { namespace: 'default' });
    const ready = pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
    if (pod !== undefined && ready && pod.status?.containerStatuses?.[0]?.restartCount === restarts) return pod;
    if (Date.now() > deadline) throw new Error(`not ready: ${JSON.stringify(pod?.status)}`);
    await delay(50);
  }
}

async function query<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

it('a run that was killed is taken over by the next: no process twice, nothing lost, same addresses', async () => {
  const first = await start();
  const client = KubeClient.fromConfig({ kubeconfig: first.admin });
  const pod: KubeObject & { spec: object } = {
    metadata: { name: 'survivor', namespace: 'default' },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'main', image: 'none', command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'] }],
    },
  };
  await client.create(kinds.Pod, pod);
  const before = await readyPod(client, 0);
  await query(first.postgres, 'create table kept as select 42 as answer');

  await end(first, 'SIGKILL');
  const orphans = processesOfRun();
  // etcd, API server, controller manager, PostgreSQL and the pod, at least.
  expect(orphans.length).toBeGreaterThanOrEqual(5);

  const second = await start();
  expect(second.url).toBe(first.url);
  expect(second.postgres).toBe(first.postgres);
  const after = await readyPod(client, 1);
  expect(after.metadata.uid).toBe(before.metadata.uid);
  expect(after.status?.containerStatuses?.[0]?.lastState.terminated).toMatchObject({ reason: 'ContainerStatusUnknown', exitCode: 137 });
  const running = processesOfRun();
  expect(running.filter((pid) => orphans.includes(pid))).toEqual([]);
  expect(await query(second.postgres, 'select answer from kept')).toEqual([{ answer: 42 }]);

  await expect(start()).rejects.toThrow(/is in use by process \d+; stop that run first/);
  await client.close();
  await end(second, 'SIGTERM');
  expect(processesOfRun()).toEqual([]);
});
