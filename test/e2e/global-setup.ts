import type { TestProject } from 'vitest/node';
import type {} from '../context.ts';
import { type ClusterContext, readContext } from './cluster/context.ts';
import { adminUrl, baseUrl, Installation, operatorUrl } from './installation.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The cluster under Tenantry; on a real cluster only. */
    readonly cluster: ClusterContext;
  }
}

/** Installs Tenantry once on the cluster that test/e2e/run.ts has started, and hands out how to reach it. */
export default async function setup(project: TestProject): Promise<void> {
  const { TENANTRY_E2E_RUN: folder } = process.env;
  if (folder === undefined) {
    throw new Error('these tests need a cluster, which `npm run test:e2e` starts; `npm run test:e2e -- --help` says more');
  }
  const context = readContext(folder);
  const installation = new Installation(context);
  await installation.prepare();
  await installation.install();
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
}
