/** The way to a Kubernetes API, request by request: a test lets each pass, drops it, or loses its answer. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type RequestOptions, request as send } from 'node:https';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

/** `lost`: the API server does it, and the connection ends. `held`: it does it, and the answer never comes. */
export type Fate = 'passed' | 'dropped' | 'lost' | 'held';
/** Asked for each request, before it is sent on. */
export type Rule = (request: { readonly method: string; readonly path: string }) => Fate | Promise<Fate>;

export class KubernetesProxy {
  /** What happens to requests; all pass until a test says otherwise. */
  rule: Rule = () => 'passed';
  /** Told when the API server has done what is `held`. */
  onHeld: () => void = () => {};
  readonly #target: URL;
  readonly #credentials: RequestOptions;
  readonly #server: Server;

  private constructor(target: URL, credentials: RequestOptions) {
    this.#target = target;
    this.#credentials = credentials;
    this.#server = createServer((request, response) => void this.#forward(request, response));
  }

  /** @param file where a kubeconfig is written that leads through the proxy, with the rights of `kubeconfig`. */
  static async start(kubeconfig: string, file: string): Promise<KubernetesProxy> {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const credentials: RequestOptions = {};
    await config.applyToHTTPSOptions(credentials);
    const proxy = new KubernetesProxy(new URL(config.getCurrentCluster()?.server ?? ''), credentials);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    const { port } = proxy.#server.address() as AddressInfo;
    const through = {
      'current-context': 'proxy',
      contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'proxy' } }],
      clusters: [{ name: 'proxy', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'proxy', user: {} }],
    };
    await writeFile(file, JSON.stringify(through));
    return proxy;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = request;
    const fate = await this.rule({ method, path });
    if (fate === 'dropped') {
      request.socket.destroy();
      return;
    }
    const { hostname, port } = this.#target;
    const onward = send({ ...this.#credentials, hostname, port, method, path, headers: { ...headers, host: this.#target.host } });
    request.pipe(onward);
    response.on('close', () => onward.destroy());
    onward.on('error', () => request.socket.destroy());
    onward.on('response', (answer) => {
      if (fate === 'lost' || fate === 'held') {
        answer.resume();
        if (fate === 'lost') request.socket.destroy();
        else this.onHeld();
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
  }
}
