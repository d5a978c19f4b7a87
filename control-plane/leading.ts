import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { LeaderElection } from '../kube/leader-election.ts';

/** What one replica does for all, by name. Each goes on until its signal aborts, and resolves when nothing of it is under way any more. */
export type LedWork = Readonly<Record<string, (term: AbortSignal) => Promise<void>>>;

/** Before work that failed, which it never should, is begun anew. */
const pauseMs = 5_000;

/**
 * Does the work whenever this replica leads, until `signal` aborts. A lease that is lost, as with a Kubernetes API that is away for longer
 * than it lasts, ends the work and nothing else: once all of it has ended, this replica stands for election again.
 */
export async function leadInTerms(
  election: LeaderElection | undefined,
  work: LedWork,
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
        log.error({ err, part }, 'led work failed, all of it begins anew');
        failed.abort();
      }
    });
    await Promise.all(parts);
    if (signal.aborted) return;
    if (failed.signal.aborted) {
      await election?.release();
      await delay(pauseMs, undefined, { signal }).catch(() => {});
    } else log.info({}, 'led work has ended, standing for election again');
  }
}
