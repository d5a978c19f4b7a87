import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LeaderElection } from '../kube/leader-election.ts';

/** Work that the leading replica does for all, by name. Each part runs until its signal aborts, and resolves when it has ended. */
export type LeaderWork = Readonly<Record<string, (term: AbortSignal) => Promise<void>>>;

/** Pause before failed work is started again. Led work is expected never to fail. */
const pauseMs = 5_000;

/**
 * Does the work whenever this replica leads, until `signal` aborts. Losing the lease ends the work and nothing else. After all of the work
 * has ended, this replica stands for election again. A lease is lost, for example, when the Kubernetes API is away for longer than it lasts.
 */
export async function runWhileLeading(
  election: LeaderElection | undefined,
  work: LeaderWork,
  signal: AbortSignal,
  log: Pick<Logger, 'info' | 'error'>,
): Promise<void> {
  while (!signal.aborted) {
    const lost = await election?.lead(signal);
    const failed = new AbortController();
    const term = AbortSignal.any([signal, failed.signal, ...(lost ? [lost] : [])]);
    const parts = Object.entries(work).map(async ([part, run]) => {
      try {
        await run(term);
      } catch (err) {
        log.error({ err, part }, 'work of the leader failed, restarting it');
        failed.abort();
      }
    });
    await Promise.all(parts);
    if (signal.aborted) return;
    if (failed.signal.aborted) {
      await election?.release();
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    } else log.info({}, 'work of the leader ended, standing for election again');
  }
}
