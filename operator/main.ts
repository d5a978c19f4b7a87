import { pino } from 'pino';
import { KubeClient } from '../kube/client.ts';
import { DatabaseServer } from './database/server.ts';
import { serveHealth } from './runtime/health.ts';
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
const client = KubeClient.fromConfig({
  userAgent: 'tenantry-operator',
  onRequest: (method, status) => controller.metrics.requests.inc({ method, code: status }),
});
const database = settings.databaseUrl === undefined ? undefined : new DatabaseServer('default', settings.databaseUrl);
const controller = new TenantController({ client, settings, database, log });

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)));

const health = await serveHealth(settings.host, settings.port, controller.metrics.registry, () => controller.ready);
log.info({ port: health.port, baseUrl: settings.baseUrl }, 'operator started');
await controller.run(stop.signal).catch((error: unknown) => {
  if (!stop.signal.aborted) throw error;
});
health.server.close();
await database?.close();
await client.close();
log.info('operator stopped');
