import { canonicalJson } from '../../audit/json.ts';
import { isTrue } from '../../crds/conditions.ts';
import type { Tenant } from '../../crds/tenant.ts';
import { backoffMs } from '../../net/backoff.ts';
import type { SecretsState } from '../secrets/ensure-secrets.ts';
import type { Context, RequeueAfter } from './context.ts';
import { checkEndpoint } from './endpoint-check.ts';
import { reportedOf } from './server-report.ts';
import { type Findings, type Verification, wasReady } from './status.ts';
import { readyPod } from './workload-state.ts';

const verifyEveryMs = 60 * 60_000;
const verifyRetry = { firstMs: 250, maxMs: 30_000 };
/** Delay of a verification that has to wait for its turn, in milliseconds, before jitter. */
const deferMs = 10_000;

/**
 * Verifies after a change of the route, the probe key or the pods, after a failure, and otherwise once an hour. Runs only after all other
 * parts are ready. `applied` identifies the state that the pods were made from.
 */
export async function currentVerification(
  tenant: Tenant,
  found: Findings,
  applied: string | undefined,
  secrets: SecretsState,
  { memory, now, settings, random, log, publicFetch, children, podReports }: Context,
  signal: AbortSignal,
): Promise<{ verification?: Verification; requeueAfterMs: RequeueAfter }> {
  const uid = tenant.metadata.uid ?? '';
  const { endpoints, workload, migration } = found;
  const prepared = migration === 'none' || migration === 'succeeded';
  if (tenant.spec.suspended || !endpoints || !workload?.settled || !prepared) return { requeueAfterMs: undefined };
  if (!wasReady(tenant) && !isTrue(tenant.status?.conditions, 'AuthorizationReady')) return { requeueAfterMs: undefined };
  const fingerprint = canonicalJson([applied ?? '', endpoints, secrets.probeKey]);
  const known = memory.verified.get(uid);
  const time = now().getTime();
  if (known?.fingerprint === fingerprint && known.until > time)
    return { verification: known.verification, requeueAfterMs: known.until - time };
  // A gateway that hangs could hold all workers for the whole time limit of a handshake. Other work, such as revoking a key or suspending a
  // tenant, would have to wait. So handshakes of tenants that already serve take at most half of the workers.
  if (wasReady(tenant) && memory.verifying.size >= settings.workers / 2) {
    const verification = known?.fingerprint === fingerprint ? { verification: known.verification } : {};
    return { ...verification, requeueAfterMs: deferMs * (0.5 + random()) };
  }
  memory.verifying.add(uid);
  const pod = readyPod(children.podsOf(tenant.metadata.name));
  const [handshake, report] = await Promise.all([
    checkEndpoint({ endpoints, oauthIssuer: settings.oauthIssuer, probeKey: secrets.probeKey, signal, fetch: publicFetch }),
    pod && podReports.read(pod),
  ]).finally(() => memory.verifying.delete(uid));
  const verification: Verification =
    handshake.state === 'succeeded' ? { ...handshake, server: { ...handshake.server, ...reportedOf(report) } } : handshake;
  const succeeded = verification.state === 'succeeded';
  const failures = succeeded ? 0 : (known?.fingerprint === fingerprint ? known.failures : 0) + 1;
  // A new route answers within moments. A route that keeps failing is verified less and less often.
  const requeueAfterMs = succeeded ? verifyEveryMs * (0.9 + 0.2 * random()) : backoffMs(verifyRetry, failures);
  memory.verified.set(uid, { fingerprint, verification, failures, until: time + requeueAfterMs });
  if (!succeeded) log.info({ tenant: tenant.metadata.name, requeueAfterMs, verification }, 'verification failed');
  return { verification, requeueAfterMs };
}
