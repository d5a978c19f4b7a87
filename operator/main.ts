import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { KubeClient } from '../kube/client.ts';
import { countRequests } from '../kube/controller.ts';
import { KubeError } from '../kube/errors.ts';
import { LeaderElection } from '../kube/leader-election.ts';
import { DatabaseServer } from './database/server.ts';
import { readSettings, type Settings } from './installation/settings.ts';
import { watchedKinds } from './objects/kinds.ts';
import { databaseCidrOf } from './render/network.ts';
import { OperatorAudit } from './runtime/audit.ts';
import { serveHealth } from './runtime/health.ts';
import { createMetrics } from './runtime/metrics.ts';
import { applyTemplates } from './templates/bundled.ts';
import { TenantController } from './tenant/controller.ts';

let settings: Settings;
try {
  settings = readSettings(process.env);
} catch (error) {
  console.error((error as Error).message);
  process.exit(2);
}
const log = pino({ name: 'operator', level: settings.logLevel });
const metrics = createMetrics();
const userAgent = 'tenantry-operator';
const leaseClient = KubeClient.fromConfig({ userAgent });
const election =
  settings.lease &&
  new LeaderElection({ client: leaseClient, lease: settings.lease, identity: settings.replica, registry: metrics.registry, log });
const beforeWrite = election?.assertLeading ?? (() => {});
const client = KubeClient.fromConfig({ userAgent, onRequest: countRequests(metrics.registry), beforeWrite });
const database = settings.databaseUrl === undefined ? undefined : new DatabaseServer('default', settings.databaseUrl, beforeWrite);

const audit = openAudit(settings);
metrics.watchAudit(audit);

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));

/** Ends at once. Another replica may start to lead at any moment, so running work is neither finished nor cleaned up. */
function endAtOnce(): never {
  log.fatal('another replica leads, or the lease could not be renewed: ending at once');
  process.exit(1);
}

let controller: TenantController | undefined;
const health = await serveHealth(settings.host, settings.port, metrics.registry, () => controller?.ready ?? false);
log.info({ port: health.port, ...settings.addressing }, 'operator started');
if (settings.databaseUrl !== undefined && databaseCidrOf(settings) === undefined) {
  log.warn(
    'TENANTRY_DATABASE_CIDR is not set: tenants may reach every address at the port of the database. Set it to the addresses of the server.',
  );
}

function openAudit({ auditSpoolDir: spoolDir, controlPlaneUrl, controlPlaneTokenFile: tokenFile }: Settings): OperatorAudit {
  try {
    return new OperatorAudit({ spoolDir, controlPlaneUrl, tokenFile, log, now: Date.now });
  } catch (error) {
    console.error(`TENANTRY_AUDIT_SPOOL_DIR: ${spoolDir} cannot be used: ${(error as Error).message}`);
    process.exit(2);
  }
}

/** Repeats an attempt that fails only because the API server does not answer. */
async function untilAnswered<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof KubeError) || !error.retryable || stop.signal.aborted) throw error;
      log.warn({ err: error }, 'waiting for the Kubernetes API');
      await delay(1_000, undefined, { signal: stop.signal });
    }
  }
}

async function run(): Promise<void> {
  const watched = await untilAnswered(() => watchedKinds(client, settings, stop.signal));
  controller = new TenantController({ client, settings, database, watched, metrics, audit, log });
  await controller.run(stop.signal, async () => {
    const lost = await election?.lead(stop.signal);
    lost?.addEventListener('abort', endAtOnce);
    const folder = settings.templatesDir;
    if (folder !== undefined) await untilAnswered(() => applyTemplates(folder, client, log, stop.signal));
  });
}

const telling = audit.run(stop.signal);
await run().catch((error: unknown) => {
  if (stop.signal.aborted) return;
  log.fatal({ err: error }, 'operator cannot go on');
  process.exit(1);
});
await election?.release();
await telling;
await audit.close(AbortSignal.timeout(3_000));
health.server.close();
await database?.close();
await client.close();
await leaseClient.close();
log.info('operator stopped');
