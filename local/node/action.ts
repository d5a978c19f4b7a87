import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Action, type Container, portOf } from './pod.ts';

/** Where and how an action of a container is performed. */
export interface ActionTarget {
  readonly container: Container;
  readonly podIp: string;
  /** Runs a command as the container would; resolves with its exit code. */
  readonly exec: (command: readonly string[], signal: AbortSignal) => Promise<number>;
}

/** Undefined for success, else the reason. The reason never contains the program's answer. */
export type Failure = string | undefined;

/** Performs the action of a probe or hook within `timeoutMs`. Does not reject. */
export async function perform(action: Action, target: ActionTarget, timeoutMs: number, signal: AbortSignal): Promise<Failure> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([timeout, signal]);
  try {
    return await attempt(action, target, either);
  } catch (error) {
    if (timeout.aborted) return `no answer within ${timeoutMs / 1000} s`;
    return (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : 'failed');
  }
}

async function attempt(action: Action, target: ActionTarget, signal: AbortSignal): Promise<Failure> {
  const { httpGet, tcpSocket, exec, sleep } = action;
  if (httpGet) {
    const status = await get(httpGet, target, signal);
    return status >= 200 && status < 400 ? undefined : `HTTP ${status}`;
  }
  if (tcpSocket) return connects(tcpSocket.host ?? target.podIp, numberOf(tcpSocket.port, target), signal);
  if (exec) {
    const code = await target.exec(exec.command ?? [], signal);
    return code === 0 ? undefined : `command ended with exit code ${code}`;
  }
  if (sleep) {
    await delay(sleep.seconds * 1000, undefined, { signal });
    return undefined;
  }
  return 'this kind of probe does not exist in the local cluster; it has httpGet, tcpSocket and exec';
}

function get(spec: NonNullable<Action['httpGet']>, target: ActionTarget, signal: AbortSignal): Promise<number> {
  const host = spec.host ?? target.podIp;
  const port = numberOf(spec.port, target);
  const https = spec.scheme === 'HTTPS';
  const headers: Record<string, string> = { host: `${host}:${port}`, accept: '*/*', connection: 'close', 'user-agent': 'kube-probe/1.34' };
  for (const { name, value } of spec.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  return new Promise((resolve, reject) => {
    // Like the kubelet, the agent does not verify a pod's certificate.
    const options = { host, port, path: spec.path ?? '/', headers, agent: false, signal, ...(https ? { rejectUnauthorized: false } : {}) };
    const asking = (https ? httpsRequest : httpRequest)(options, (response) => {
      response.resume();
      response.on('error', () => {});
      resolve(response.statusCode ?? 0);
    });
    asking.on('error', reject);
    asking.end();
  });
}

function connects(host: string, port: number, signal: AbortSignal): Promise<Failure> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', reject);
  });
}

function numberOf(port: number | string, target: ActionTarget): number {
  const number = portOf(target.container, port);
  if (number === undefined) throw new Error(`container has no port named ${port}`);
  return number;
}
