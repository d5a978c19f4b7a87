import { pino } from 'pino';
import { KubeClient } from '../kube/client.ts';
import { countRequests } from '../kube/controller.ts';
import { DatabaseServer } from './database/server.ts';
import { serveHealth } from './runtime/health.ts';
import { createMetrics } from './runtime/metrics.ts';
import { readSettings, type Settings } from './settings.ts';
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
const client = KubeClient.fromConfig({ userAgent: 'tenantry-operator', onRequest: countRequests(metrics.registry) });
const database = settings.databaseUrl === undefined ? undefined : new DatabaseServer('default', settings.databaseUrl);
const controller = new TenantController({ client, settings, database, metrics, log });

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));

const health = await serveHealth(settings.host, settings.port, metrics.registry, () => controller.ready);
log.info({ port: health.port, baseUrl: settings.baseUrl }, 'operator started');
await controller.run(stop.signal).catch((error: unknown) => {
  if (!stop.signal.aborted) throw error;
});
health.server.close();
await database?.close();
await client.close();
log.info('operator stopped');
