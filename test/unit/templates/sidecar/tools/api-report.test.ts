import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Upstream } from '../../../../../templates/sidecar/http/upstream.ts';
import type { ApiFault } from '../../../../../templates/sidecar/tools/api-fault.ts';
import { ApiReporter } from '../../../../../templates/sidecar/tools/api-report.ts';
import type { LoadedTools } from '../../../../../templates/sidecar/tools/tool-source.ts';

describe('the report', () => {
  let server: Server | undefined;
  let upstream: Upstream | undefined;
  let time = 0;

  afterEach(async () => {
    await upstream?.close();
    server?.closeAllConnections();
    server?.close();
  });

  async function reporterFor(answer: RequestListener, source: { fault?: ApiFault; tools?: LoadedTools }) {
    server = createServer(answer);
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    upstream = new Upstream(new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    const { fault, tools } = source;
    return new ApiReporter({ upstream, source: { fault, tools }, readyPath: '/readyz', now: () => time });
  }

  const summary = { operations: 3, leftOut: { count: 1, first: ['POST /a: reason'] }, unmatched: [] };
  const tools = { summary } as unknown as LoadedTools;
  const fault = (reason: ApiFault['reason'], detail: string): ApiFault => ({ reason, detail, since: 0 });

  it('has no fault while the API is ready and its document is loaded', async () => {
    const reporter = await reporterFor((_request, response) => response.end('ok'), { tools });
    expect(await reporter.report()).toEqual({ document: summary });
  });

  it('names the status of an API that is not ready, for how long, and asks at most once a second', async () => {
    let asked = 0;
    let status = 503;
    const reporter = await reporterFor((_request, response) => {
      asked++;
      response.writeHead(status).end('password=hunter2');
    }, {});
    const reports = await Promise.all([reporter.report(), reporter.report()]);
    expect(reports[0]).toEqual({ fault: { reason: 'ApiNotReady', detail: 'GET /readyz answered 503.', seconds: 0 } });
    expect(asked).toBe(1);
    time += 7000;
    expect((await reporter.report()).fault).toMatchObject({ reason: 'ApiNotReady', seconds: 7 });
    status = 204;
    time += 1000;
    expect(await reporter.report()).toEqual({});
    expect(asked).toBe(3);
  });

  it('says both where an API that is not ready has a wrong document', async () => {
    const reporter = await reporterFor((_request, response) => response.writeHead(404).end(), {
      fault: fault('DocumentUnusable', 'The document is wrong.'),
    });
    expect((await reporter.report()).fault).toMatchObject({
      reason: 'ApiNotReady',
      detail: 'GET /readyz answered 404. The document is wrong.',
    });
  });

  it('forgets that nobody listened as soon as the API says that it is ready', async () => {
    const reporter = await reporterFor((_request, response) => response.end(), { fault: fault('ApiNotListening', 'No.') });
    expect(await reporter.report()).toEqual({});
  });

  it('keeps the fault of the document of an API that is ready', async () => {
    const reporter = await reporterFor((_request, response) => response.end(), { fault: fault('DocumentUnusable', 'No.') });
    expect((await reporter.report()).fault?.reason).toBe('DocumentUnusable');
  });
});
