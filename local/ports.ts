import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { writePrivate } from './files.ts';

/**
 * Ports by name, kept in `file` so that addresses stay true from one start to the next. A kept port that another program has taken is
 * replaced, and its name is in `moved`.
 */
export async function keepPorts<Name extends string>(
  file: string,
  names: readonly Name[],
): Promise<{ ports: Record<Name, number>; moved: Name[]; kept: Partial<Record<Name, number>> }> {
  const kept: Partial<Record<Name, number>> = read(file);
  const ports: Partial<Record<string, number>> = {};
  const moved: Name[] = [];
  for (const name of names) {
    const before = kept[name];
    if (before !== undefined && (await isFree(before))) {
      ports[name] = before;
      continue;
    }
    if (before !== undefined) moved.push(name);
    let port: number;
    do port = await freePort();
    while (Object.values(ports).includes(port));
    ports[name] = port;
  }
  writePrivate(file, JSON.stringify(ports));
  return { ports: ports as Record<Name, number>, moved, kept };
}

function read(file: string): Partial<Record<string, number>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Record<string, number>>;
  } catch {
    return {};
  }
}

/** Listens for a moment; resolves with the port, or rejects with the reason (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
export function tryListen(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : port));
    });
  });
}

/** URLs say localhost, which clients may take for ::1 first: another program there would answer in our place. */
async function isFree(port: number): Promise<boolean> {
  const tries = ['127.0.0.1', '::1'].map((host) => tryListen(port, host));
  return (await Promise.allSettled(tries)).every(({ status, ...rest }) => status === 'fulfilled' || !isTaken(rest));
}

function isTaken(result: object): boolean {
  // Anything else, such as a machine without IPv6, keeps everybody from listening there.
  return 'reason' in result && (result.reason as NodeJS.ErrnoException).code === 'EADDRINUSE';
}

/**
 * A port for a server that binds it later. From below the range that the system takes ports of outgoing connections from, or one of those
 * could have it meanwhile: https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html (ip_local_port_range).
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = await tryListen(randomInt(10_000, 32_768), host).catch(() => undefined);
    if (port !== undefined) return port;
  }
  return tryListen(0, host);
}
