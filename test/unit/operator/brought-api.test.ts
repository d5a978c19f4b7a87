import { createServer, type RequestListener, type Server } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import type { ApiFaultReason, ApiReport } from '../../../crds/api-report.ts';
import { tenantStatus } from '../../../crds/tenant.ts';
import { apiProblem } from '../../../operator/tenant/api-problem.ts';
import { missingProgram } from '../../../operator/tenant/missing-program.ts';
import { PodReports } from '../../../operator/tenant/pod-reports.ts';
import { reportedOf, toolNotices } from '../../../operator/tenant/server-report.ts';
import { statusOf } from '../../../operator/tenant/status.ts';
import { type PodObject, readyPod, unreadyPods, workloadState } from '../../../operator/tenant/workload-state.ts';
import { condition, tenant } from '../gen.ts';

const faulty = (reason: ApiFaultReason, seconds: number): ApiReport => ({ fault: { reason, detail: 'The detail.', seconds } });

describe('a fault of the API', () => {
  test.each<[ApiFaultReason, number, number]>([
    ['DocumentUnusable', 2, 10],
    ['ApiNotListening', 4, 60],
    ['ApiNotReady', 4, 60],
  ])('%s is named after %i seconds and stalls after %i, with its remedy', (reason, named, stalls) => {
    expect(apiProblem(faulty(reason, named - 1), false)).toBeUndefined();
    expect(apiProblem(faulty(reason, named), false)).toMatchObject({
      reason,
      stalls: false,
      message: expect.stringMatching(/^The detail\. [A-Z].+\.$/),
    });
    expect(apiProblem(faulty(reason, stalls - 1), false)?.stalls).toBe(false);
    expect(apiProblem(faulty(reason, stalls), false)?.stalls).toBe(true);
  });

  test('does not stall a tenant whose revision has served before: it is an outage', () => {
    const wrong = pod(false);
    const annotated = { ...wrong, metadata: { ...wrong.metadata, annotations: { 'tenantry.dev/revision': 'r1' } } };
    const stalls = (served: string | undefined) =>
      workloadState(undefined, [annotated], () => faulty('ApiNotReady', 600), served).problem?.stalls;
    expect([stalls('r1'), stalls('r0'), stalls(undefined)]).toEqual([false, true, true]);
  });

  test('is absent without a report, and from a report without one', () => {
    expect(apiProblem(undefined, false)).toBeUndefined();
    expect(apiProblem({}, false)).toBeUndefined();
  });
});

describe('a program that is missing', () => {
  test.each<[string, object]>([
    [
      'by containerd',
      {
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } },
        lastState: {
          terminated: {
            exitCode: 128,
            reason: 'StartError',
            message: 'failed to create task: OCI runtime create failed: exec: "shop": executable file not found in $PATH: unknown',
          },
        },
      },
    ],
    [
      'by CRI-O',
      {
        state: {
          waiting: { reason: 'CreateContainerError', message: 'executable file `shop` not found in $PATH: No such file or directory' },
        },
      },
    ],
    [
      'by the local node',
      { state: { terminated: { exitCode: 128, reason: 'StartError', message: 'cannot start shop: no such program on this machine' } } },
    ],
    [
      'without the right to run it',
      { state: { terminated: { exitCode: 128, reason: 'StartError', message: 'exec: "shop": permission denied: unknown' } } },
    ],
  ])('is recognized %s', (_name, status) => {
    const message = missingProgram({ name: 'api', ...status });
    expect(message).toMatch(/^The program of container api cannot be started: .*shop.*template, or its image\.$/);
  });

  test.each([126, 127])('is recognized by exit code %i of a shell', (exitCode) => {
    expect(missingProgram({ name: 'api', state: { terminated: { exitCode, reason: 'Error' } } })).toContain(`exit code ${exitCode}`);
  });

  test.each<[string, object]>([
    ['a container that runs again', { state: { running: {} }, lastState: { terminated: { exitCode: 127 } } }],
    ['another exit code', { state: { terminated: { exitCode: 1, reason: 'Error', message: 'no such file or directory' } } }],
    [
      'a volume that is missing',
      { state: { waiting: { reason: 'CreateContainerError', message: 'mount /x: no such file or directory' } } },
    ],
    ['a container that starts', { state: { waiting: { reason: 'ContainerCreating' } } }],
  ])('is not seen in %s', (_name, status) => {
    expect(missingProgram({ name: 'api', ...status })).toBeUndefined();
  });

  test('stalls the tenant at once', () => {
    const status = { containerStatuses: [{ name: 'api', state: { terminated: { exitCode: 127 } } }] };
    expect(workloadState(undefined, [{ metadata: { name: 'p' }, status }]).problem).toMatchObject({
      reason: 'ProgramMissing',
      stalls: true,
    });
  });
});

const labels = { 'app.kubernetes.io/component': 'stack' };

function pod(ready: boolean, more: { address?: string; uid?: string; deletionTimestamp?: string } = {}): PodObject {
  const { address = '127.0.0.1', uid = 'u', ...metadata } = more;
  return {
    metadata: { name: 'p', namespace: 'tenant-acme', uid, labels, ...metadata },
    status: {
      podIP: address,
      initContainerStatuses: [{ name: 'api', ready, state: { running: {} } }],
      containerStatuses: [{ name: 'mcp', ready: true, state: { running: {} } }],
    },
  };
}

describe('the workload', () => {
  test('takes the problem from the report of a pod that is not ready, and asks no other pod', () => {
    const asked: PodObject[] = [];
    const wrong = pod(false);
    const { problem } = workloadState(undefined, [pod(true), wrong, pod(false, { deletionTimestamp: 'now' })], (about) => {
      asked.push(about);
      return faulty('ApiNotReady', 5);
    });
    expect(problem).toMatchObject({ reason: 'ApiNotReady' });
    expect(asked).toEqual([wrong]);
  });

  test('knows which pods are ready', () => {
    const pods = [pod(false), pod(true)];
    expect([unreadyPods(pods), readyPod(pods)]).toEqual([[pods[0]], pods[1]]);
    expect(readyPod([{ metadata: { name: 'p', labels } }])).toBeUndefined();
  });
});

describe('the status', () => {
  const now = (): Date => new Date('2026-01-01T00:00:00Z');
  const problem = (stalls: boolean) => ({ reason: 'DocumentUnusable' as const, message: 'It is Swagger 2.0.', stalls });
  const waiting = { secrets: true, database: 'none' as const, migration: 'none' as const, route: 'routed' as const };

  test.each([
    [false, 'False', 'Provisioning'],
    [true, 'True', 'Stalled'],
  ])('names the problem in WorkloadAvailable and Ready; stalls: %s', (stalls, stalled, phase) => {
    const status = statusOf(tenant(), { ...waiting, workload: { available: false, settled: false, problem: problem(stalls) } }, now);
    expect(tenantStatus.safeParse(status).error).toBeUndefined();
    const found = Object.fromEntries((status.conditions ?? []).map((entry) => [entry.type, entry]));
    expect(found['WorkloadAvailable']).toMatchObject({ status: 'False', reason: 'DocumentUnusable', message: 'It is Swagger 2.0.' });
    expect(found['Ready']).toMatchObject({ status: 'False', message: expect.stringContaining('Swagger 2.0') });
    expect(found['Stalled']).toMatchObject({ status: stalled, message: 'It is Swagger 2.0.' });
    expect(status.phase).toBe(phase);
  });

  test('does not stall a suspended tenant for its pods', () => {
    const workload = { available: false, settled: false, problem: problem(true) };
    const status = statusOf(tenant({ suspended: true }), { ...waiting, workload }, now);
    expect(status.conditions?.find(({ type }) => type === 'Stalled')?.status).toBe('False');
  });

  test('says of a tenant that serves which operations became no tool', () => {
    const server = { name: 's', version: '1', protocolVersions: [], tools: 0, operations: 0 };
    const status = statusOf(
      tenant({}, { conditions: [condition('AuthorizationReady', 'True')] }),
      { ...waiting, workload: { available: true, settled: true }, verification: { state: 'succeeded', server } },
      now,
    );
    for (const type of ['Ready', 'Verified']) {
      const found = status.conditions?.find((entry) => entry.type === type);
      expect(found).toMatchObject({ status: 'True', message: expect.stringContaining('has no operation') });
    }
  });
});

describe('the report of a pod that serves', () => {
  const server = { name: 's', version: '1', protocolVersions: [], tools: 38 };

  test('becomes part of status.server, without empty lists', () => {
    expect(reportedOf(undefined)).toEqual({});
    expect(reportedOf({ document: { operations: 3, leftOut: { count: 0, first: [] }, unmatched: [] } })).toEqual({ operations: 3 });
  });

  test('is told in sentences', () => {
    const first = ['POST /a: reason', 'POST /b: reason'];
    const reported = reportedOf({ document: { operations: 40, leftOut: { count: 5, first }, unmatched: ['deny: x'] } });
    expect(toolNotices({ ...server, ...reported })).toEqual([
      '5 of 40 operations became no tool: POST /a: reason; POST /b: reason; and 3 more.',
      'Entries of spec.tools match no tool: deny: x.',
    ]);
    expect(toolNotices(server)).toEqual([]);
    expect(toolNotices({ ...server, tools: 0, operations: 4 })).toEqual([expect.stringContaining('There is no tool')]);
  });
});

describe('reading reports', () => {
  const open: Server[] = [];
  let time = 0;
  const news: string[] = [];

  afterEach(() => {
    for (const server of open.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
    time = 0;
    news.length = 0;
  });

  /** A pod on an address of its own, whose port 8001 answers as a hostile program likes. */
  async function answering(answer: RequestListener): Promise<PodObject> {
    const address = `127.${1 + Math.floor(Math.random() * 250)}.${Math.floor(Math.random() * 250)}.7`;
    const server = createServer(answer);
    open.push(server);
    await new Promise<void>((resolve) => server.listen(8001, address, resolve));
    return pod(false, { address, uid: address });
  }

  const reports = () => new PodReports({ fetch: globalThis.fetch, onNews: (name) => news.push(name), now: () => time });
  const body = JSON.stringify({ ...faulty('ApiNotReady', 9), secret: 'x' });

  test('takes a report without what the schema does not name', async () => {
    const asked: (string | undefined)[] = [];
    const target = await answering(({ url }, response) => {
      asked.push(url);
      response.end(body);
    });
    expect(await reports().read(target)).toEqual(faulty('ApiNotReady', 9));
    expect(asked).toEqual(['/report']);
  });

  test.each<[string, RequestListener]>([
    ['is no JSON', (_request, response) => response.end('<html>')],
    ['does not fit', (_request, response) => response.end('{"fault":{"reason":"Ready"}}')],
    ['is another status', (_request, response) => response.writeHead(500).end(body)],
    ['leads elsewhere', (_request, response) => response.writeHead(302, { location: 'http://169.254.169.254/' }).end()],
    ['is larger than 32 KiB', (_request, response) => response.end(`${body}${' '.repeat(64 * 1024)}`)],
    ['never comes', () => {}],
    ['never ends', (_request, response) => response.write('{')],
  ])('ignores an answer that %s', async (_name, answer) => {
    expect(await reports().read(await answering(answer))).toBeUndefined();
  });

  test('waits for a pod that has just started, then reads beside the passes and asks for one when there is news', async () => {
    let asked = 0;
    const target = await answering((_request, response) => {
      asked++;
      response.end(body);
    });
    const reading = reports();
    expect(reading.latest('acme', target)).toBeUndefined();
    expect(reading.dueIn(target)).toBe(2000);
    time = 2000;
    expect(reading.latest('acme', target)).toBeUndefined();
    await expect.poll(() => news).toEqual(['acme']);
    expect(reading.latest('acme', target)).toEqual(faulty('ApiNotReady', 9));
    expect(reading.dueIn(target)).toBe(2000);
    time = 4000;
    reading.latest('acme', target);
    await expect.poll(() => asked).toBe(2);
    expect(news).toEqual(['acme']);
  });

  test('does not ask a pod whose sidecar does not run, or that is ending', () => {
    const reading = reports();
    const { status, metadata } = pod(false);
    const silent = { metadata, status: { ...status, containerStatuses: [{ name: 'mcp', state: { waiting: { reason: 'x' } } }] } };
    for (const target of [silent, pod(false, { deletionTimestamp: 'now' }), { metadata }]) {
      expect(reading.latest('acme', target)).toBeUndefined();
      expect(reading.dueIn(target)).toBeUndefined();
    }
  });
});
