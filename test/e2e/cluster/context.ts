import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivate } from '../../../local/machine/files.ts';
import type { TestContext } from '../../context.ts';

/** What the tests are told of a running cluster, before Tenantry is installed on it. */
export interface ClusterContext {
  /** Folder of the run, with all logs below it. */
  readonly folder: string;
  /** Kubeconfig file of a cluster admin. */
  readonly kubeconfig: string;
  /** PostgreSQL as superuser, at an address that pods reach. */
  readonly postgresUrl: string;
  /** Database of the control plane. */
  readonly storeUrl: string;
  /** Key, PEM, that signs the audit. */
  readonly auditKeyFile: string;
  readonly workos: TestContext['workos'];
  /** Session token with all permissions on tenants. */
  readonly adminToken: string;
  /** PEM file of the authority of the gateway's certificate. */
  readonly gatewayAuthority: string;
}

const file = 'context.json';

/** Writes it for other processes; it holds secrets. */
export function writeContext(context: ClusterContext): void {
  writePrivate(join(context.folder, file), JSON.stringify(context));
}

export function readContext(folder: string): ClusterContext {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as ClusterContext;
}
