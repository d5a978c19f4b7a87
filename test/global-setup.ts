import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { TestProject } from 'vitest/node';
import { seed } from '../local/demo.ts';
import { standing, startStack } from '../local/stack.ts';
import { lendClusters } from './clean-clusters.ts';
import { startDnsServer } from './dns-server.ts';
import { LogWatch } from './log-watch.ts';

/** Starts Tenantry once for all integration tests, in a folder of its own, and hands out how to reach it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = mkdtempSync(join(tmpdir(), 'tenantry-test-'));
  const log = pino({ level: process.env['LOG_LEVEL'] ?? 'fatal' }, pino.destination(2));
  mkdirSync(join(dir, 'dns'));
  const dns = await startDnsServer(join(dir, 'dns'));
  const stack = await startStack({ dir, log, identity: undefined, fsync: false, dnsServers: [dns.address] }).catch(
    async (error: unknown) => {
      await dns.stop();
      rmSync(dir, { recursive: true, force: true });
      throw error;
    },
  );
  const cleanClusters = await lendClusters();
  const demo = await seed(standing(stack.workos));
  const watch = new LogWatch(
    dir,
    'node',
    stack.client,
    new Map([
      [stack.identity.webhookSecret ?? '', 'the secret of the webhook'],
      [new URL(stack.postgres.url).password, 'the password of PostgreSQL'],
      [readFileSync(join(dir, 'store-password'), 'utf8').trim(), "the password of the control plane's database"],
    ]),
  );
  project.provide('tenantry', {
    kubeconfig: stack.kubernetes.kubeconfigs.admin,
    adminUrl: stack.adminUrl,
    adminToken: demo.adminToken,
    routerUrl: stack.routerUrl,
    operatorUrl: stack.operatorUrl,
    postgresUrl: stack.postgres.url,
    cleanClustersUrl: cleanClusters.url,
    folder: dir,
    workos: stack.identity,
  });
  return async () => {
    const found = watch.end();
    await cleanClusters.stop();
    await stack.stop();
    await dns.stop();
    rmSync(dir, { recursive: true, force: true });
    // Whatever the tests did, no log of the whole run may have a secret that was made in it.
    if (found.length > 0) throw new Error(`secrets are in logs:\n${found.join('\n')}`);
  };
}
