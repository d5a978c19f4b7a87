import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { KubeError } from './errors.ts';

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the API server's root, without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly signal?: AbortSignal | undefined;
  /** Longest silence within a response body, in milliseconds. Defaults to `answerMs`. */
  readonly idleTimeoutMs?: number;
}

/** Credentials are read again after this time, because projected tokens and client certificates are replaced on disk. */
const credentialsMaxAgeMs = 20_000;

/** Receives every request that ended, like client-go's `rest_client_requests_total`; status 0 when no answer came. */
export type RequestObserver = (method: Call['method'], status: number) => void;

export interface TransportOptions {
  /** Path of a kubeconfig. Without one kubectl's own order applies: KUBECONFIG, ~/.kube/config, then the pod's ServiceAccount. */
  readonly kubeconfig?: string | undefined;
  readonly userAgent?: string;
  readonly onRequest?: RequestObserver;
  /** Time limit for the response headers, in milliseconds. Defaults to 30 s. */
  readonly answerMs?: number;
  /** Called before every request that is not a GET. An error it throws fails the request. */
  readonly beforeWrite?: () => void;
}

interface Connection {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher: Dispatcher;
  readonly fingerprint: string;
  readonly readAt: number;
}

/**
 * HTTP to one API server over one shared dispatcher. client-node opens a new connection for every request
 * (https://github.com/kubernetes-client/javascript/issues/2893), so only its kubeconfig and credentials are used.
 */
export class Transport {
  readonly #config: KubeConfig;
  readonly #userAgent: string;
  readonly #observe: RequestObserver;
  readonly #answerMs: number;
  readonly #beforeWrite: () => void;
  #connection: Connection | undefined;

  constructor(config: KubeConfig, options: TransportOptions = {}) {
    this.#config = config;
    this.#userAgent = options.userAgent ?? 'tenantry';
    this.#observe = options.onRequest ?? (() => {});
    this.#answerMs = options.answerMs ?? 30_000;
    this.#beforeWrite = options.beforeWrite ?? (() => {});
  }

  static fromConfig(options: TransportOptions = {}): Transport {
    const config = new KubeConfig();
    if (options.kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(options.kubeconfig);
    return new Transport(config, options);
  }

  /** Sends one request and resolves with the parsed JSON answer. */
  async json<T>(call: Call): Promise<T> {
    const response = await this.stream(call);
    try {
      return (await response.json()) as T;
    } catch (error) {
      call.signal?.throwIfAborted();
      throw KubeError.unreachable(`${call.method} ${call.path}`, error);
    }
  }

  /** Sends one request and resolves with its body as soon as a successful answer begins. */
  async stream(call: Call): Promise<Dispatcher.ResponseData['body']> {
    const response = await this.#send(call);
    if (response.statusCode < 400) return response.body;
    const text = await response.body.text().catch(() => '');
    if (response.statusCode === 401) this.#forgetCredentials();
    throw KubeError.fromResponse(response.statusCode, text, `${call.method} ${call.path}`);
  }

  async close(): Promise<void> {
    await this.#connection?.dispatcher.destroy();
    this.#connection = undefined;
  }

  async #send(call: Call): Promise<Dispatcher.ResponseData> {
    const connection = await this.#connect();
    if (call.method !== 'GET') this.#beforeWrite();
    const url = new URL(connection.server + call.path);
    for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) url.searchParams.set(key, String(value));
    try {
      const response = await request(url, {
        method: call.method,
        dispatcher: connection.dispatcher,
        headers: {
          ...connection.headers,
          accept: call.accept ?? 'application/json',
          'user-agent': this.#userAgent,
          ...(call.body === undefined ? {} : { 'content-type': call.contentType ?? 'application/json' }),
        },
        body: call.body === undefined ? null : JSON.stringify(call.body),
        headersTimeout: this.#answerMs,
        bodyTimeout: call.idleTimeoutMs ?? this.#answerMs,
        signal: call.signal ?? null,
      });
      this.#observe(call.method, response.statusCode);
      return response;
    } catch (error) {
      call.signal?.throwIfAborted();
      this.#observe(call.method, 0);
      throw KubeError.unreachable(`${call.method} ${call.path}`, error);
    }
  }

  async #connect(): Promise<Connection> {
    const now = Date.now();
    const current = this.#connection;
    if (current && now - current.readAt < credentialsMaxAgeMs) return current;
    const cluster = this.#config.getCurrentCluster();
    // client-node falls back to localhost without TLS and then fails with an unhelpful message.
    if (!cluster || (cluster.server.startsWith('http:') && cluster.skipTLSVerify !== true))
      throw new Error(
        'no Kubernetes cluster is configured: set KUBECONFIG to the file of one that is reached by https, or run inside a cluster',
      );
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const fingerprint = fingerprintOf(options);
    const headers = Object.fromEntries(Object.entries(options.headers ?? {}).map(([name, value]) => [name, String(value)]));
    if (typeof options.auth === 'string') headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
    // Another call may have connected while credentials were read: share its dispatcher.
    const latest = this.#connection;
    const reusable = latest?.fingerprint === fingerprint ? latest.dispatcher : undefined;
    const dispatcher = reusable ?? this.#dispatcher(options);
    // The old dispatcher finishes its requests. Watches move over when they reconnect.
    if (latest && reusable === undefined) void latest.dispatcher.close().catch(() => {});
    this.#connection = { server: cluster.server.replace(/\/$/, ''), headers, dispatcher, fingerprint, readAt: now };
    return this.#connection;
  }

  #dispatcher(options: RequestOptions): Dispatcher {
    const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = options;
    const wanted = { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername };
    const tls = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
    const proxy = this.#config.getCurrentCluster()?.proxyUrl;
    if (proxy?.startsWith('socks'))
      throw new Error('a SOCKS proxy in the kubeconfig (proxy-url) is not supported: use an http or https proxy');
    if (proxy) return new ProxyAgent({ allowH2: false, uri: proxy, requestTls: tls });
    // Keep-alive probes every 30 s: load balancers drop silent connections later than that.
    // HTTP/1.1, because undici's HTTP/2 sessions throw outside of any request when they idle ("socket idle timeout").
    return new Agent({ allowH2: false, connect: { ...tls, timeout: 5_000, keepAlive: true, keepAliveInitialDelay: 30_000 } });
  }

  #forgetCredentials(): void {
    if (this.#connection) this.#connection = { ...this.#connection, readAt: 0 };
  }
}

function fingerprintOf(options: RequestOptions): string {
  const hash = createHash('sha256');
  for (const part of [
    options.ca,
    options.cert,
    options.key,
    options.pfx,
    options.passphrase,
    options.servername,
    options.rejectUnauthorized,
  ]) {
    hash.update(part === undefined ? '-' : Buffer.isBuffer(part) ? part : String(part)).update('\0');
  }
  return hash.digest('hex');
}
