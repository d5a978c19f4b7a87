import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = 'environment.json';

/** Environment of everything that runs against the cluster: the tests, a shell, a command. */
export interface ClusterEnvironment extends Record<string, string> {
  /** Folder of the run, which test/e2e/global-setup.ts reads. */
  readonly TENANTRY_E2E_RUN: string;
  readonly KUBECONFIG: string;
  /** Authority of the gateway's certificate; Node reads it at its start. */
  readonly NODE_EXTRA_CA_CERTS: string;
  readonly CONTAINERD_ADDRESS: string;
  readonly CONTAINERD_NAMESPACE: string;
  readonly PATH: string;
}

export function writeEnvironment(run: string, environment: ClusterEnvironment): void {
  writeFileSync(join(run, file), JSON.stringify(environment));
}

/** Undefined until the cluster is up. */
export function environmentOf(run: string): ClusterEnvironment | undefined {
  try {
    return JSON.parse(readFileSync(join(run, file), 'utf8')) as ClusterEnvironment;
  } catch {
    return undefined;
  }
}
