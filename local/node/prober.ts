import { setTimeout as delay } from 'node:timers/promises';
import { type ActionTarget, type Failure, perform } from './action.ts';
import type { Probe } from './pod.ts';

/** Kubernetes' defaults: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/ */
const defaults = { periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 };

/** Pause between the extra attempts before the first success, and their total duration. */
const eager = { pauseMs: 200, forMs: 30_000 };

export interface ProbeOptions {
  readonly probe: Probe;
  readonly target: ActionTarget;
  /**
   * Also probes between the periods until the first success. Such an attempt counts only when it succeeds, so thresholds keep their
   * meaning. A pod becomes Ready at once instead of at the next full period.
   */
  readonly eager: boolean;
  readonly onResult: (healthy: boolean, failure: Failure) => void;
}

/**
 * Probes until `signal` aborts. Calls `onResult` with true once `successThreshold` attempts in a row have succeeded, and with false each
 * time `failureThreshold` attempts in a row have failed.
 */
export async function runProbe(options: ProbeOptions, signal: AbortSignal): Promise<void> {
  const { probe, target, onResult } = options;
  const { periodSeconds, timeoutSeconds, successThreshold, failureThreshold } = { ...defaults, ...probe };
  const attempt = () => perform(probe, target, timeoutSeconds * 1000, signal);
  const began = Date.now();
  let successes = 0;
  let failures = 0;
  let everHealthy = false;
  const succeed = () => {
    successes++;
    failures = 0;
    if (successes < successThreshold) return;
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
      else {
        successes = 0;
        failures++;
        if (failures >= failureThreshold) onResult(false, failure);
      }
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
