import type { TestProject } from 'vitest/node';
import { KubeClient } from '../../kube/client.ts';
import type {} from '../context.ts';
import { LogWatch } from '../log-watch.ts';
import { type ClusterContext, readContext } from './cluster/context.ts';
import { adminUrl, baseUrl, Installation, operatorUrl } from './installation.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The cluster under Tenantry; on a real cluster only. */
    readonly cluster: ClusterContext;
  }
}

/** Installs Tenantry once on the cluster that test/e2e/run.ts has started, and hands out how to reach it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { TENANTRY_E2E_RUN: folder } = process.env;
  if (folder === undefined) {
    throw new Error('these tests need a cluster, which `npm run test:e2e` starts; `npm run test:e2e -- --help` says more');
  }
  const context = readContext(folder);
  const installation = new Installation(context);
  await installation.prepare();
  await installation.install();
  const client = KubeClient.fromConfig({ kubeconfig: context.kubeconfig, userAgent: 'tenantry-test' });
  const watch = new LogWatch(
    context.folder,
    'logs/pods',
    client,
    new Map([
      [context.workos.apiKey, 'the API key of WorkOS'],
      [context.adminToken, "an administrator's token"],
      [new URL(context.postgresUrl).password, 'the password of PostgreSQL'],
      [new URL(context.storeUrl).password, "the password of the control plane's database"],
    ]),
  );
  project.provide('cluster', context);
  project.provide('tenantry', {
    kubeconfig: context.kubeconfig,
    adminUrl,
    adminToken: context.adminToken,
    routerUrl: baseUrl,
    operatorUrl,
    postgresUrl: context.postgresUrl,
    folder: context.folder,
    workos: context.workos,
  });
  return async () => {
    const found = watch.end();
    await client.close();
    // Whatever the tests did, no log of the node, its programs and its pods may have a secret that was made in the run.
    if (found.length > 0) throw new Error(`secrets are in logs:\n${found.join('\n')}`);
  };
}
