/** A run of the local cluster as a process of its own, which a test can kill: `node supervisor.ts <state folder>`. */
import { join } from 'node:path';
import { pino } from 'pino';
import { KubeClient } from '../../../../kube/client.ts';
import { startKubernetes } from '../../../../local/kubernetes/start.ts';
import { startNodeAgent } from '../../../../local/node/agent.ts';
import { startPostgres } from '../../../../local/postgres/start.ts';

const dir = process.argv[2] ?? '';
const log = pino({ level: 'warn' }, pino.destination(2));
const [kubernetes, postgres] = await Promise.all([
  startKubernetes({ dir: join(dir, 'kubernetes'), log, fsync: false }),
  startPostgres({ dir: join(dir, 'postgres'), log, fsync: false }),
]);
const client = KubeClient.fromConfig({ kubeconfig: kubernetes.kubeconfigs.node });
const agent = await startNodeAgent({ client, dir: join(dir, 'node'), images: {}, serving: kubernetes.nodeServing, log });
process.stdout.write(`${JSON.stringify({ admin: kubernetes.kubeconfigs.admin, url: kubernetes.url, postgres: postgres.url })}\n`);
process.once('SIGTERM', async () => {
  await agent.stop();
  await client.close();
  await Promise.all([kubernetes.stop(), postgres.stop()]);
});
