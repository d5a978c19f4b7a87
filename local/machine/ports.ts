import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { writePrivate } from './files.ts';

/**
 * Returns ports by name. `file` keeps them, so that addresses stay the same after a restart. A port that another program has taken since
 * is replaced, and its name is listed in `moved`.
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

/** Listens briefly on the port. Resolves with the port, or rejects with the reason (EADDRINUSE, EACCES, EADDRNOTAVAIL). */
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

/** Also checks ::1: URLs name localhost, which clients may resolve to ::1 first, and another program could answer there. */
async function isFree(port: number): Promise<boolean> {
  const tries = ['127.0.0.1', '::1'].map((host) => tryListen(port, host));
  return (await Promise.allSettled(tries)).every(({ status, ...rest }) => status === 'fulfilled' || !isTaken(rest));
}

function isTaken(result: object): boolean {
  // After any other error, such as a machine without IPv6, other programs cannot listen there either.
  return 'reason' in result && (result.reason as NodeJS.ErrnoException).code === 'EADDRINUSE';
}

/**
 * Finds a port for a server that binds it later. The port lies below the system's range for outgoing connections, which could otherwise
 * take it in the meantime: https://www.kernel.org/doc/html/latest/networking/ip-sysctl.html (ip_local_port_range).
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = await tryListen(randomInt(10_000, 32_768), host).catch(() => undefined);
    if (port !== undefined) return port;
  }
  return tryListen(0, host);
}
