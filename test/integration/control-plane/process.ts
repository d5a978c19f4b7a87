import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { compileCache } from '../../../local/setup/locate.mjs';
import type { WorkosStandIn } from '../../../local/workos/start.ts';
import { eventually } from '../../eventually.ts';
import { baseUrl, type Cluster } from './cluster.ts';

const main = new URL('../../../control-plane/main.ts', import.meta.url).pathname;

/** The environment of a control plane of that cluster, with all it needs. */
export function environmentOf(
  cluster: Pick<Cluster, 'kubeconfig' | 'storeUrl' | 'auditKeyFile'>,
  workos: Pick<WorkosStandIn, 'apiUrl' | 'apiKey' | 'clientId' | 'adminIssuer' | 'issuer'>,
  platformOrganizationId: string,
): Readonly<Record<string, string>> {
  return {
    KUBECONFIG: cluster.kubeconfig,
    WORKOS_API_KEY: workos.apiKey,
    WORKOS_CLIENT_ID: workos.clientId,
    WORKOS_API_URL: workos.apiUrl,
    TENANTRY_ADMIN_ISSUER: workos.adminIssuer,
    TENANTRY_OAUTH_ISSUER: workos.issuer,
    TENANTRY_PLATFORM_ORGANIZATION_ID: platformOrganizationId,
    TENANTRY_STORE_URL: cluster.storeUrl,
    TENANTRY_AUDIT_KEY_FILE: cluster.auditKeyFile,
    TENANTRY_BASE_URL: baseUrl,
  };
}

/** The control plane as its image runs it: a process of its own. */
export class PlaneProcess {
  readonly child: ChildProcess;
  #output = '';

  constructor(env: Readonly<Record<string, string | undefined>>) {
    const { PATH } = process.env;
    this.child = spawn(process.execPath, [main], {
      env: { PATH, PORT: '0', NODE_COMPILE_CACHE: compileCache(process.env), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output += String(chunk);
      });
    }
  }

  /** All it has written. */
  get output(): string {
    return this.#output;
  }

  /** Resolves with where it listens. */
  listening(): Promise<string> {
    return eventually('the control plane listens', async () => {
      if (this.child.exitCode !== null) throw new Error(this.#output);
      return /"url":"([^"]+)"[^\n]*"msg":"control plane started"/.exec(this.#output)?.[1];
    });
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Resolves with its exit code when it has ended; null after a signal that it did not handle. */
  async ended(): Promise<number | null> {
    if (this.running) await once(this.child, 'exit', { signal: AbortSignal.timeout(30_000) });
    return this.child.exitCode;
  }

  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.ended();
  }
}
