import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ReadSlots } from '../../../../control-plane/audit/read-slots.ts';
import { renderErrors } from '../../../../control-plane/errors/render.ts';

const line = `${'x'.repeat(16 * 1024)}\n`;
const lines = 3_000;
const stallMs = 30_000;
let app: FastifyInstance;

// The tests move the clock, so that a busy machine does not make a reader late.
beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));

afterEach(async () => {
  vi.useRealTimers();
  await app.close();
});

/** A server of exports that are larger than the buffers of a connection. */
async function serve(limits: { perOrganization: number; total: number }): Promise<{ url: string; port: number; errors: string[] }> {
  const errors: string[] = [];
  const slots = new ReadSlots({ ...limits, stallMs });
  app = Fastify({ forceCloseConnections: true });
  renderErrors(app);
  app.get<{ Params: { organization: string } }>('/:organization', async (request, reply) => {
    const slot = slots.acquire(request, request.params.organization);
    const stream = slot.stream(
      (async function* () {
        for (let sent = 0; sent < lines; sent += 1) yield line;
      })(),
    );
    stream.once('error', ({ message }) => errors.push(message));
    return reply.send(stream);
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, port, errors };
}

/** Sends a request and does not read its answer. */
async function askOnly(port: number, path: string): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await once(socket, 'readable');
}

const later = (errors: readonly string[]) => () => {
  vi.advanceTimersByTime(stallMs);
  return errors;
};

const wholeLength = async (url: string) => (await (await fetch(url)).text()).length;

test('takes the slot of a caller that does not read, and blocks no other organization', async () => {
  const { url, port, errors } = await serve({ perOrganization: 1, total: 8 });
  await askOnly(port, '/acme');
  const refused = await fetch(`${url}/acme`);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
  expect(await wholeLength(`${url}/globex`)).toBe(lines * line.length);
  await expect.poll(later(errors), { timeout: 10_000 }).toEqual(['the caller does not read the export']);
  expect(await wholeLength(`${url}/acme`)).toBe(lines * line.length);
});

test('limits verifications and exports of all organizations', async () => {
  const { url, port, errors } = await serve({ perOrganization: 1, total: 2 });
  await Promise.all([askOnly(port, '/a'), askOnly(port, '/b')]);
  expect((await fetch(`${url}/c`)).status).toBe(429);
  await expect.poll(() => later(errors)().length, { timeout: 10_000 }).toBe(2);
  expect(await wholeLength(`${url}/c`)).toBe(lines * line.length);
});

test('waits for a caller that reads slowly', async () => {
  const { url, errors } = await serve({ perOrganization: 1, total: 2 });
  const { body } = await fetch(`${url}/acme`);
  if (body === null) throw new Error('no body');
  let length = 0;
  let waits = 0;
  for await (const piece of body) {
    length += piece.length;
    // More than the connection can hold was read, so pieces were taken since time went on last.
    if (length < (waits + 1) * 12 * 1024 * 1024) continue;
    vi.advanceTimersByTime(0.9 * stallMs);
    waits += 1;
  }
  expect([length, waits]).toEqual([lines * line.length, 3]);
  expect(errors).toEqual([]);
});
