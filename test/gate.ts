import { connect, createServer, type Server, type Socket } from 'node:net';

/** The way to a server. It can be shut, as if the server were gone, or held, as if it hung: connections are taken, and nothing comes back. */
export class Gate {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: 'open' | 'shut' | 'held' = 'open';

  /** @param onSent told of what a client sends, as it is passed on. */
  constructor(port: number, onSent: (text: string) => void = () => {}) {
    this.#server = createServer((from) => {
      this.#hold(from);
      if (this.#state === 'shut') from.destroy();
      if (this.#state !== 'open') return;
      const to = connect(port, '127.0.0.1');
      this.#hold(to);
      from.on('data', (chunk: Buffer) => onSent(chunk.toString('latin1')));
      from.on('close', () => to.destroy());
      to.on('close', () => from.destroy());
      from.pipe(to).pipe(from);
    });
  }

  /** @returns the port by which the server is reached through here. */
  async listen(): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    return (this.#server.address() as { port: number }).port;
  }

  /** Ends all connections, and each that comes from now on. */
  shut(): void {
    this.#state = 'shut';
    this.#endAll();
  }

  /** From now on nothing passes, over no connection, and none is ended. */
  hang(): void {
    this.#state = 'held';
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** As after a restart of the server: what hung is ended, and what it sent meanwhile never arrives. */
  reopen(): void {
    this.#state = 'open';
    this.#endAll();
  }

  stop(): void {
    this.shut();
    this.#server.close();
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
  }

  #endAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
