import type { Identity } from '../local/identity.ts';

/** How the integration tests reach the shared stack; provided by global-setup.ts, read with `inject('tenantry')`. */
export interface TestContext {
  /** Kubeconfig file of a cluster admin. */
  readonly kubeconfig: string;
  readonly adminUrl: string;
  /** Session token with all permissions on tenants. */
  readonly adminToken: string;
  readonly routerUrl: string;
  /** Health and metrics of the operator. */
  readonly operatorUrl: string;
  /** PostgreSQL as superuser. */
  readonly postgresUrl: string;
  /** Lends Kubernetes APIs on which nothing acts, see clean-clusters.ts; not on a real cluster. */
  readonly cleanClustersUrl?: string;
  /** State folder of the stack, with all logs. */
  readonly folder: string;
  readonly workos: Identity;
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly tenantry: TestContext;
  }
}
