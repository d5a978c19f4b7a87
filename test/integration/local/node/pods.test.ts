import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { KubeClient } from '../../../../kube/client.ts';
import { type KubeObject, kinds } from '../../../../kube/resources.ts';
import { findBinaries } from '../../../../local/kubernetes/binaries.ts';
import type { Container, Pod, PodSpec } from '../../../../local/node/pod.ts';

/** Pods as local processes, seen through the API server and /proc, on the shared cluster. */

interface Machine extends KubeObject {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

const namespace = `pods-${process.pid}`;
const node = process.execPath;
let client: KubeClient;

beforeAll(async () => {
  client = KubeClient.fromConfig({ kubeconfig: inject('tenantry').kubeconfig });
  await client.create(kinds.Namespace, { metadata: { name: namespace } });
  // The ServiceAccount comes from the controller manager; pods are refused before.
  await until(() => client.find(kinds.ServiceAccount, 'default', { namespace }));
});

afterAll(async () => {
  await client.delete(kinds.Namespace, namespace);
  await client.close();
});

async function until<T>(look: () => Promise<T | undefined | false>, deadlineMs = 90_000): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`not within ${deadlineMs / 1000} s: ${look.toString()}`);
    await delay(50);
  }
}

/** The API server would add a volume with a ConfigMap, which the pods of tenants do not have either. */
const podSpec = { automountServiceAccountToken: false } as const;
const create = (name: string, spec: PodSpec, labels: Record<string, string> = {}): Promise<Pod> => {
  const pod: KubeObject & { spec: object } = {
    metadata: { name, namespace, labels },
    spec: { ...podSpec, terminationGracePeriodSeconds: 5, ...spec },
  };
  return client.create<Pod>(kinds.Pod, pod);
};
const find = (name: string): Promise<Pod | undefined> => client.find<Pod>(kinds.Pod, name, { namespace });
/** The pod, once `holds` is true of it. */
const podWhen = (name: string, holds: (pod: Pod) => boolean): Promise<Pod> =>
  until(async () => {
    const pod = await find(name);
    return pod !== undefined && holds(pod) ? pod : undefined;
  });
const isReady = (pod: Pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
const statusOf = (pod: Pod, container: string) =>
  [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(({ name }) => name === container);
const pidOf = (pod: Pod, container: string) => Number(/^process:\/\/(\d+)-/.exec(statusOf(pod, container)?.containerID ?? '')?.[1]);
/** A zombie, which only waits for its parent, does not run. */
const runs = (pid: number) => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
const podIp = { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } } as const;
const script = (name: string, code: string, rest: Partial<Container> = {}): Container => ({
  name,
  image: 'none',
  command: [node, '-e', code],
  env: [podIp],
  ...rest,
});
const sidecar = (name: string, code: string, rest: Partial<Container> = {}) => ({
  ...script(name, code, rest),
  restartPolicy: 'Always' as const,
});
const serve = (port: number, answer = 'response.end()') =>
  `require('node:http').createServer((request, response) => { ${answer} }).listen(${port}, process.env.POD_IP);`;
const forever = 'setInterval(() => {}, 1000);';
const get = async (pod: Pod, port: number, path = '/') => {
  const response = await fetch(`http://${pod.status?.podIP}:${port}${path}`);
  return response.text();
};
/** kubectl keeps a cache in HOME. */
const kubectlEnv = () => ({ KUBECONFIG: inject('tenantry').kubeconfig, HOME: inject('tenantry').folder });
const kubectl = async (...args: string[]) => {
  return (await promisify(execFile)(findBinaries().kubectl, ['-n', namespace, ...args], { env: kubectlEnv() })).stdout;
};

describe('a Deployment', () => {
  it('starts sidecars before the main container, and becomes ready', async () => {
    const labels = { app: 'web' };
    const shared = { volumeMounts: [{ name: 'shared', mountPath: '/shared' }] };
    const env = [podIp, { name: 'FILE', value: '/shared/file' }];
    const spec: PodSpec = {
      ...podSpec,
      initContainers: [
        sidecar('side', `require('node:fs').writeFileSync(process.env.FILE, 'from the sidecar'); ${serve(8081, "response.end('side')")}`, {
          env,
          ...shared,
          startupProbe: { httpGet: { path: '/', port: 8081 }, periodSeconds: 30, failureThreshold: 2 },
        }),
      ],
      containers: [
        script(
          'main',
          `fetch('http://' + process.env.POD_IP + ':8081').then((answer) => answer.text()).then((side) => {
            const file = require('node:fs').readFileSync(process.env.FILE, 'utf8');
            ${serve(8001, "response.end(side + ', ' + file)")} });`,
          { env, ...shared, ports: [{ name: 'http', containerPort: 8001 }], readinessProbe: { httpGet: { path: '/', port: 8001 } } },
        ),
      ],
      volumes: [{ name: 'shared', emptyDir: {} }],
    };
    const deployment: KubeObject & { spec: object } = {
      metadata: { name: 'web', namespace },
      spec: { replicas: 2, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
    };
    await client.create(kinds.Deployment, deployment);
    const pods = await until(async () => {
      const { items } = await client.list<Pod>(kinds.Pod, { namespace, labelSelector: 'app=web' });
      return items.length === 2 && items.every(isReady) ? items : undefined;
    });
    expect(await Promise.all(pods.map((pod) => get(pod, 8001)))).toEqual(['side, from the sidecar', 'side, from the sidecar']);
    expect(new Set(pods.map((pod) => pod.status?.podIP)).size).toBe(2);
    for (const pod of pods) {
      expect(pod.status?.podIP).toMatch(/^127\./);
      expect(statusOf(pod, 'side')).toMatchObject({ ready: true, started: true, restartCount: 0 });
    }
    const available = await client.get<KubeObject & { status: { availableReplicas: number } }>(kinds.Deployment, 'web', { namespace });
    expect(available.status.availableReplicas).toBe(2);
  });

  it('ends its processes when it is deleted', async () => {
    const { items } = await client.list<Pod>(kinds.Pod, { namespace, labelSelector: 'app=web' });
    const pids = items.flatMap((pod) => [pidOf(pod, 'side'), pidOf(pod, 'main')]);
    expect(pids.every((pid) => runs(pid))).toBe(true);
    await client.delete(kinds.Deployment, 'web', { namespace, propagationPolicy: 'Foreground' });
    await until(async () => (await client.list(kinds.Pod, { namespace, labelSelector: 'app=web' })).items.length === 0);
    expect(pids.filter((pid) => runs(pid))).toEqual([]);
    const folders = readdirSync(join(inject('tenantry').folder, 'node/pods'));
    expect(folders.filter((name) => name.startsWith(`${namespace}_web-`))).toEqual([]);
  });
});

describe('the environment of a process', () => {
  it('is what the pod says, and nothing of the agent', async () => {
    await client.create(kinds.Secret, { metadata: { name: 'db', namespace }, stringData: { url: 'postgres://secret' } } as KubeObject);
    await create('environment', {
      containers: [
        script(
          'main',
          serve(8001, 'response.end(JSON.stringify({ env: process.env, uid: process.getuid(), args: process.argv.slice(1) }))'),
          {
            args: ['$(POD_IP)', '--at=/etc/db/url'],
            env: [
              podIp,
              { name: 'HOST', value: '$(POD_IP)' },
              { name: 'DATABASE_URL', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } },
            ],
            volumeMounts: [{ name: 'db', mountPath: '/etc/db' }],
            readinessProbe: { httpGet: { port: 8001 } },
          },
        ),
      ],
      volumes: [{ name: 'db', secret: { secretName: 'db' } }],
    });
    const pod = await podWhen('environment', isReady);
    const said = JSON.parse(await get(pod, 8001)) as { env: Record<string, string>; uid: number; args: string[] };
    const ip = pod.status?.podIP ?? '';
    expect(said.env).toMatchObject({ POD_IP: ip, HOST: ip, DATABASE_URL: 'postgres://secret' });
    expect(Object.keys(said.env).sort()).toEqual(['DATABASE_URL', 'HOME', 'HOST', 'PATH', 'POD_IP', 'TMPDIR']);
    expect(said.args[0]).toBe(ip);
    expect(said.args[1]).toMatch(/^--at=\/.*\/volumes\/db\/url$/);
    // Root gives every pod a user of its own; an ordinary user has only itself.
    if (process.getuid?.() === 0) expect(said.uid).toBeGreaterThan(65_536);
    else expect(said.uid).toBe(process.getuid?.());
  });

  it('waits for a Secret that does not exist yet', async () => {
    const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 'late', key: 'a' } } }];
    await create('waiting', { containers: [script('main', forever, { env })] });
    const waiting = await podWhen('waiting', (pod) => statusOf(pod, 'main')?.state.waiting?.reason === 'CreateContainerConfigError');
    expect(statusOf(waiting, 'main')?.state.waiting?.message).toBe('secret "late" not found');
    await client.create(kinds.Secret, { metadata: { name: 'late', namespace }, stringData: { a: '1' } } as KubeObject);
    const pod = await podWhen('waiting', isReady);
    expect(statusOf(pod, 'main')?.restartCount).toBe(0);
  });
});

describe('mounted files', () => {
  const digest = (text: string) => createHash('sha256').update(text).digest('hex');

  it('follow their Secret without a restart, within seconds', async () => {
    await client.create(kinds.Secret, { metadata: { name: 'keys', namespace }, stringData: { 'keys.json': 'old' } } as KubeObject);
    const read = "const { readFileSync } = require('node:fs');";
    await create('files', {
      containers: [
        script('main', `${read} ${serve(8001, "response.end(readFileSync(process.env.KEYS, 'utf8'))")}`, {
          env: [podIp, { name: 'KEYS', value: '/etc/keys/keys.json' }],
          volumeMounts: [{ name: 'keys', mountPath: '/etc/keys' }],
          readinessProbe: { httpGet: { port: 8001 } },
        }),
      ],
      volumes: [{ name: 'keys', secret: { secretName: 'keys' } }],
    });
    const pod = await podWhen('files', isReady);
    expect(digest(await get(pod, 8001))).toBe(digest('old'));
    await client.patch(kinds.Secret, 'keys', { stringData: { 'keys.json': 'new' } }, { namespace });
    await until(async () => (await get(pod, 8001)) === 'new', 5_000);
    expect(statusOf(await podWhen('files', () => true), 'main')?.restartCount).toBe(0);
  });

  it('hold a ServiceAccount token of the wanted audience, bound to the pod', async () => {
    const read = "const { readFileSync } = require('node:fs');";
    await create('token', {
      containers: [
        script('main', `${read} ${serve(8001, "response.end(readFileSync(process.env.TOKEN, 'utf8'))")}`, {
          env: [podIp, { name: 'TOKEN', value: '/var/run/secrets/tenantry/token' }],
          volumeMounts: [{ name: 'token', mountPath: '/var/run/secrets/tenantry' }],
          readinessProbe: { httpGet: { port: 8001 } },
        }),
      ],
      volumes: [
        {
          name: 'token',
          projected: { sources: [{ serviceAccountToken: { path: 'token', audience: 'somebody', expirationSeconds: 600 } }] },
        },
      ],
    });
    const pod = await podWhen('token', isReady);
    const review = await client.review<{
      status: { authenticated?: boolean; user: { username: string; extra: Record<string, string[]> } };
    }>(kinds.TokenReview, { spec: { token: await get(pod, 8001), audiences: ['somebody'] } });
    expect(review.status).toMatchObject({ authenticated: true, user: { username: `system:serviceaccount:${namespace}:default` } });
    expect(review.status.user.extra['authentication.kubernetes.io/pod-uid']).toEqual([pod.metadata.uid]);
  });
});

describe('a process that ends', () => {
  it('comes back, with growing pauses', async () => {
    await create('crashing', { containers: [script('main', 'process.exit(3)')] });
    const pod = await podWhen('crashing', (current) => (statusOf(current, 'main')?.restartCount ?? 0) >= 2);
    const waiting = await podWhen('crashing', (current) => statusOf(current, 'main')?.state.waiting !== undefined);
    expect(statusOf(waiting, 'main')?.state.waiting).toMatchObject({ reason: 'CrashLoopBackOff' });
    expect(statusOf(waiting, 'main')?.lastState.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(pod.status?.phase).toBe('Running');
    await client.delete(kinds.Pod, 'crashing', { namespace });
    await until(async () => (await find('crashing')) === undefined);
  });

  it('comes back after somebody killed it', async () => {
    await create('killed', { containers: [script('main', forever)] });
    const before = await podWhen('killed', isReady);
    process.kill(pidOf(before, 'main'), 'SIGKILL');
    const after = await podWhen('killed', (pod) => isReady(pod) && statusOf(pod, 'main')?.restartCount === 1);
    expect(statusOf(after, 'main')?.lastState.terminated).toMatchObject({ exitCode: 137 });
    expect(pidOf(after, 'main')).not.toBe(pidOf(before, 'main'));
  });

  it('takes what it started with it', async () => {
    const child = `require('node:child_process').spawn(process.execPath, ['-e', '${forever}'], { detached: true, stdio: 'ignore' })`;
    await create('parent', {
      restartPolicy: 'Never',
      containers: [script('main', `console.log(${child}.pid); setTimeout(() => process.exit(0), 300)`)],
    });
    await podWhen('parent', (pod) => pod.status?.phase === 'Succeeded');
    const pid = Number(await kubectl('logs', 'parent'));
    expect(pid).toBeGreaterThan(1);
    expect(runs(pid)).toBe(false);
  });

  it('is restarted when its liveness probe fails', async () => {
    const liveness = { httpGet: { path: '/', port: 8001 }, periodSeconds: 1, failureThreshold: 2 };
    const answer =
      "response.statusCode = globalThis.sick ? 500 : 200; if (request.url === '/sicken') globalThis.sick = true; response.end()";
    await create('sick', { containers: [script('main', serve(8001, answer), { livenessProbe: liveness, readinessProbe: liveness })] });
    const pod = await podWhen('sick', isReady);
    await get(pod, 8001, '/sicken');
    const restarted = await podWhen('sick', (current) => statusOf(current, 'main')?.restartCount === 1 && isReady(current));
    expect(statusOf(restarted, 'main')?.lastState.terminated).toBeDefined();
  });

  it('is not ready while its readiness probe fails, and keeps running', async () => {
    const readinessProbe = { httpGet: { path: '/readyz', port: 8001 }, periodSeconds: 1, failureThreshold: 1 };
    const answer =
      "if (request.url === '/unready') globalThis.unready = true; " +
      "response.statusCode = request.url === '/readyz' && globalThis.unready ? 503 : 200; response.end()";
    await create('unready', { containers: [script('main', serve(8001, answer), { readinessProbe })] });
    await get(await podWhen('unready', isReady), 8001, '/unready');
    const later = await podWhen('unready', (current) => !isReady(current));
    expect(statusOf(later, 'main')).toMatchObject({ restartCount: 0, ready: false, state: { running: {} } });
  });
});

describe('the end of a pod', () => {
  it('waits for the preStop pause, then sends SIGTERM, and ends sidecars last', async () => {
    const note = (what: string) => `require('node:fs').appendFileSync(process.env.LOG, '${what} ')`;
    const mount = { env: [podIp, { name: 'LOG', value: '/log/order' }], volumeMounts: [{ name: 'log', mountPath: '/log' }] };
    const onTerm = (what: string) => `process.on('SIGTERM', () => { ${note(what)}; console.log('bye'); process.exit(0) }); ${forever}`;
    // The last container to end reports the order to a server of the test.
    const heard = Promise.withResolvers<string>();
    const { createServer } = await import('node:http');
    const ear = createServer((request, response) => {
      heard.resolve(decodeURIComponent(request.url ?? ''));
      response.end();
    });
    await new Promise<void>((resolve) => ear.listen(0, '127.0.0.1', resolve));
    const address = ear.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const report = `fetch('http://127.0.0.1:${port}/' + require('node:fs').readFileSync(process.env.LOG, 'utf8')).finally(() => process.exit(0))`;
    const outer = `process.on('SIGTERM', () => { ${note('outer')}; ${report} }); ${forever}`;
    await create('ending', {
      initContainers: [sidecar('outer', outer, mount), sidecar('inner', onTerm('inner'), mount)],
      containers: [
        script('main', `${onTerm('main')} ${serve(8001)}`, {
          ...mount,
          lifecycle: { preStop: { sleep: { seconds: 2 } } },
          readinessProbe: { httpGet: { port: 8001 } },
        }),
      ],
      volumes: [{ name: 'log', emptyDir: {} }],
    });
    const pod = await podWhen('ending', isReady);
    const deletedAt = Date.now();
    await client.delete(kinds.Pod, 'ending', { namespace });
    // The program serves during the pause.
    expect(await get(pod, 8001)).toBe('');
    expect((await heard.promise).trim()).toBe('/main inner outer');
    expect(Date.now() - deletedAt).toBeGreaterThan(1_900);
    await until(async () => (await find('ending')) === undefined);
    ear.close();
  });

  it('comes by force when the grace period is over', async () => {
    await create('stubborn', {
      terminationGracePeriodSeconds: 1,
      containers: [script('main', `process.on('SIGTERM', () => {}); console.log('up'); ${forever}`)],
    });
    const pod = await podWhen('stubborn', isReady);
    await until(async () => (await kubectl('logs', 'stubborn')).includes('up'));
    await client.delete(kinds.Pod, 'stubborn', { namespace });
    await until(async () => (await find('stubborn')) === undefined, 10_000);
    expect(runs(pidOf(pod, 'main'))).toBe(false);
  });

  it('reaches the processes of a pod whose object was removed by force', async () => {
    await create('forced', { containers: [script('main', forever)] });
    const pod = await podWhen('forced', isReady);
    await client.delete(kinds.Pod, 'forced', { namespace, gracePeriodSeconds: 0 });
    await until(async () => !runs(pidOf(pod, 'main')), 10_000);
  });
});

describe('Pod Security', () => {
  it('is enforced as anywhere', async () => {
    const name = `${namespace}-restricted`;
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await client.create(kinds.Namespace, { metadata: { name, labels } });
    await until(() => client.find(kinds.ServiceAccount, 'default', { namespace: name }));
    const pod: KubeObject & { spec: object } = {
      metadata: { name: 'lax', namespace: name },
      spec: { containers: [script('main', forever)] },
    };
    await expect(client.create(kinds.Pod, pod)).rejects.toThrow('violates PodSecurity "restricted:latest"');
    await client.delete(kinds.Namespace, name);
  });
});

describe('a Job', () => {
  const job = (name: string, code: string): KubeObject & { spec: object } => ({
    metadata: { name, namespace },
    spec: { backoffLimit: 0, template: { spec: { ...podSpec, restartPolicy: 'Never', containers: [script('main', code)] } } },
  });
  const finished = (name: string) =>
    until(async () => {
      const found = await client.get<KubeObject & { status?: { conditions?: { type: string; status: string }[] } }>(kinds.Job, name, {
        namespace,
      });
      return found.status?.conditions?.find(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'))?.type;
    });

  it('completes when its process ends well', async () => {
    await client.create(kinds.Job, job('good', 'console.log(6 * 7)'));
    expect(await finished('good')).toBe('Complete');
    expect(await kubectl('logs', 'job/good')).toBe('42\n');
  });

  it('fails when its process does', async () => {
    await client.create(kinds.Job, job('bad', 'process.exit(4)'));
    expect(await finished('bad')).toBe('Failed');
    const { items } = await client.list<Pod>(kinds.Pod, { namespace, labelSelector: 'job-name=bad' });
    expect(items[0]?.status?.containerStatuses?.[0]?.state.terminated?.exitCode).toBe(4);
  });

  it('ends the sidecars of its pod', async () => {
    await create('side-job', {
      restartPolicy: 'Never',
      initContainers: [sidecar('side', forever)],
      containers: [script('main', '')],
    });
    const pod = await podWhen('side-job', (current) => current.status?.phase === 'Succeeded');
    expect(statusOf(pod, 'side')?.state.terminated).toBeDefined();
  });
});

describe('a pod that cannot run here', () => {
  it('says what to do about an image that means nothing', async () => {
    await create('image', { containers: [{ name: 'main', image: 'ghcr.io/acme/api:1' }] });
    const pod = await podWhen('image', (current) => statusOf(current, 'main')?.state.waiting?.reason === 'ErrImageNeverPull');
    expect(statusOf(pod, 'main')?.state.waiting?.message).toContain('Give container "main" a command');
    expect(pod.status?.phase).toBe('Pending');
    await client.delete(kinds.Pod, 'image', { namespace });
    await until(async () => (await find('image')) === undefined, 5_000);
  });

  it('says which program is missing', async () => {
    await create('program', { containers: [{ name: 'main', image: 'none', command: ['no-such-program'] }] });
    const pod = await podWhen('program', (current) => statusOf(current, 'main')?.lastState.terminated !== undefined);
    expect(statusOf(pod, 'main')?.lastState.terminated).toMatchObject({
      reason: 'StartError',
      message: expect.stringContaining('cannot start no-such-program: no such program'),
    });
  });

  it('stays pending when it needs what the node agent does not have, and its condition names the field', async () => {
    const spec = { ...podSpec, containers: [{ name: 'main', image: 'none', command: [node], envFrom: [{ secretRef: { name: 'db' } }] }] };
    const unsupported: KubeObject & { spec: object } = { metadata: { name: 'unsupported', namespace }, spec };
    await client.create(kinds.Pod, unsupported);
    const pod = await podWhen(
      'unsupported',
      (current) => current.status?.conditions?.some(({ reason }) => reason === 'Unschedulable') ?? false,
    );
    expect(pod.spec.nodeName).toBeUndefined();
    const reason = 'spec.containers[0].envFrom is not supported';
    await until(async () => (await kubectl('describe', 'pod', 'unsupported')).includes(reason));
  });
});

describe('kubectl logs', () => {
  it('shows, follows and cuts the output of a container', async () => {
    await create('talking', {
      restartPolicy: 'Never',
      containers: [
        script(
          'main',
          "for (let i = 1; i <= 5; i++) console.log('line ' + i); process.on('SIGUSR1', () => { console.log('more'); process.exit(0) }); " +
            forever,
        ),
      ],
    });
    const pod = await podWhen('talking', isReady);
    await until(async () => (await kubectl('logs', 'talking')).includes('line 5'));
    expect(await kubectl('logs', 'talking', '--tail=2')).toBe('line 4\nline 5\n');
    const following = spawn(findBinaries().kubectl, ['-n', namespace, 'logs', '-f', 'talking', '--tail=1'], {
      env: kubectlEnv(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let heard = '';
    const first = Promise.withResolvers<void>();
    following.stdout.on('data', (chunk) => {
      heard += chunk;
      first.resolve();
    });
    await first.promise;
    process.kill(pidOf(pod, 'main'), 'SIGUSR1');
    await new Promise((resolve) => following.once('close', resolve));
    expect(heard).toBe('line 5\nmore\n');
  });

  it('is not let in without the certificate of the API server', async () => {
    const machine = await client.get<KubeObject & { status: { daemonEndpoints: { kubeletEndpoint: { Port: number } } } }>(
      kinds.Node,
      'tenantry-local',
    );
    const { request } = await import('node:https');
    const port = machine.status.daemonEndpoints.kubeletEndpoint.Port;
    const answer = new Promise((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: `/containerLogs/${namespace}/talking/main`, rejectUnauthorized: false }, resolve)
        .on('error', reject)
        .end();
    });
    await expect(answer).rejects.toThrow();
  });
});

describe('what others write', () => {
  it('does not make a ready pod or node unready for long', async () => {
    await create('contested', { containers: [script('main', forever)] });
    const pod = await podWhen('contested', isReady);
    const conditions = pod.status?.conditions?.map((condition) =>
      condition.type === 'Ready' ? { ...condition, status: 'False' } : condition,
    );
    await client.patch(kinds.Pod, 'contested', { status: { conditions } }, { namespace, subresource: 'status' });
    await podWhen('contested', isReady);
    const machine = await client.get<Machine>(kinds.Node, 'tenantry-local');
    const unknown = machine.status.conditions.map((condition) =>
      condition.type === 'Ready' ? { ...condition, status: 'Unknown' } : condition,
    );
    await client.patch(kinds.Node, 'tenantry-local', { status: { conditions: unknown } }, { subresource: 'status' });
    await until(async () => {
      const { status } = await client.get<Machine>(kinds.Node, 'tenantry-local');
      return status.conditions.some(({ type, status: holds }) => type === 'Ready' && holds === 'True');
    });
  });
});

describe('the node', () => {
  it('is ready and keeps its heartbeat', async () => {
    const machine = await client.get<KubeObject & { status: { conditions: { type: string; status: string }[] } }>(
      kinds.Node,
      'tenantry-local',
    );
    expect(machine.status.conditions.find(({ type }) => type === 'Ready')?.status).toBe('True');
    const lease = await client.get<KubeObject & { spec: { renewTime: string } }>(kinds.Lease, 'tenantry-local', {
      namespace: 'kube-node-lease',
    });
    expect(Date.now() - Date.parse(lease.spec.renewTime)).toBeLessThan(30_000);
  });

  it('leaves files of pods unreadable for others', async () => {
    const pod = await podWhen('files', () => true);
    const folder = join(inject('tenantry').folder, `node/pods/${namespace}_files_${pod.metadata.uid}`);
    const { statSync } = await import('node:fs');
    expect(statSync(join(folder, 'volumes/keys')).mode & 0o077).toBe(0);
    expect(statSync(join(folder, 'main.log')).mode & 0o077).toBe(0);
    expect(readFileSync(join(folder, 'volumes/keys/keys.json'), 'utf8')).toBe('new');
  });
});
