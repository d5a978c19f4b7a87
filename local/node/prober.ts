import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Probe } from './pod.ts';

/** Kubernetes' defaults: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/ */
const defaults = { periodSeconds: 10, timeoutSeconds: 1, failureThreshold: 3 };

/** Pause between the extra attempts before the first success, and their total duration. */
const eager = { pauseMs: 200, forMs: 30_000 };

/** Undefined for success, else the reason. The reason never contains the program's answer. */
export type Failure = string | undefined;

export interface ProbeOptions {
  readonly probe: Probe;
  readonly podIp: string;
  /**
   * Also probes between the periods until the first success. Such an attempt counts only when it succeeds, so the threshold keeps its
   * meaning. A pod becomes Ready at once instead of at the next full period.
   */
  readonly eager: boolean;
  readonly onResult: (healthy: boolean, failure: Failure) => void;
}

/**
 * Probes until `signal` aborts. Calls `onResult` with true after each success, and with false each time `failureThreshold` attempts in a
 * row have failed.
 */
export async function runProbe(options: ProbeOptions, signal: AbortSignal): Promise<void> {
  const { probe, podIp, onResult } = options;
  const {
    periodSeconds = defaults.periodSeconds,
    timeoutSeconds = defaults.timeoutSeconds,
    failureThreshold = defaults.failureThreshold,
  } = probe;
  const attempt = () => get(`http://${podIp}:${probe.httpGet.port}${probe.httpGet.path ?? '/'}`, timeoutSeconds * 1000, signal);
  const began = Date.now();
  let failures = 0;
  let everHealthy = false;
  const succeed = () => {
    failures = 0;
    everHealthy = true;
    onResult(true, undefined);
  };
  try {
    await delay((probe.initialDelaySeconds ?? 0) * 1000, undefined, { signal });
    while (!signal.aborted) {
      const next = Date.now() + periodSeconds * 1000;
      const failure = await attempt();
      if (signal.aborted) return;
      if (failure === undefined) succeed();
      else if (++failures >= failureThreshold) onResult(false, failure);
      while (options.eager && !everHealthy && Date.now() + eager.pauseMs < next && Date.now() - began < eager.forMs) {
        await delay(eager.pauseMs, undefined, { signal });
        if ((await attempt()) === undefined && !signal.aborted) succeed();
      }
      await delay(Math.max(0, next - Date.now()), undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Requests the URL like the kubelet. Does not reject. */
function get(url: string, timeoutMs: number, signal: AbortSignal): Promise<Failure> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const headers = { accept: '*/*', connection: 'close', 'user-agent': 'kube-probe/1.34' };
  return new Promise((resolve) => {
    const sent = request(url, { headers, agent: false, signal: AbortSignal.any([timeout, signal]) }, (response) => {
      response.resume();
      response.on('error', () => {});
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? undefined : `HTTP ${status}`);
    });
    sent.on('error', (error: NodeJS.ErrnoException) =>
      resolve(timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : (error.code ?? error.message)),
    );
    sent.end();
  });
}
