import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import type { TestProject } from 'vitest/node';
import { seed } from '../local/demo.ts';
import { standing, startStack } from '../local/stack.ts';
import { startDnsServer } from './dns-server.ts';

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
  const demo = await seed(standing(stack.workos));
  project.provide('tenantry', {
    kubeconfig: stack.kubernetes.kubeconfigs.admin,
    adminUrl: stack.adminUrl,
    adminToken: demo.adminToken,
    routerUrl: stack.routerUrl,
    operatorUrl: stack.operatorUrl,
    postgresUrl: stack.postgres.url,
    folder: dir,
    workos: stack.identity,
  });
  return async () => {
    await stack.stop();
    await dns.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}
