import type { Logger } from 'pino';

/** Longest time requests in flight get to finish: with the pod's preStop of 5 s still within Kubernetes' 30 s of grace. */
export const drainMs = 10_000;

/**
 * Resolves when the process is asked to stop (SIGTERM, SIGINT) and `drain` has finished. `drain` gets a signal that fires when the
 * time is over and the remaining work must be cut off. A second signal ends the process at once.
 */
export async function untilStopped(logger: Logger, drain: (deadline: AbortSignal) => Promise<void>): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  logger.info({ signal }, 'stopping');
  const abort = () => process.exit(1);
  process.once('SIGTERM', abort);
  process.once('SIGINT', abort);
  await drain(AbortSignal.timeout(drainMs));
  logger.info('stopped');
  process.off('SIGTERM', abort);
  process.off('SIGINT', abort);
}
