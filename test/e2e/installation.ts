import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findClusterBinaries } from '../../local/kubernetes/binaries.ts';
import { adminHost, gatewayName, gatewayNamespace, ingressClass, nodeAddress, tenantsDomain } from './cluster/addresses.ts';
import type { ClusterContext } from './cluster/context.ts';
import { Kubectl } from './cluster/kubectl.ts';

const execute = promisify(execFile);
const chart = fileURLToPath(new URL('../../charts/tenantry', import.meta.url));

export const release = { name: 'tenantry', namespace: 'tenantry-system' } as const;
export const baseUrl = `https://${tenantsDomain}`;
export const adminUrl = `https://${adminHost}`;
/** Health and metrics of the operator, by the name pods know it by. */
export const operatorUrl = `http://tenantry-operator.${release.namespace}.svc.cluster.local:8080`;

/** How tenants are reached: the ways the chart offers. */
export interface Routing {
  readonly mode: 'path' | 'host';
  readonly kind: 'ingress' | 'gateway';
}

const defaultRouting: Routing = { mode: 'path', kind: 'ingress' };

/** Tenantry on the cluster, by its chart and helm alone. */
export class Installation {
  readonly #context: ClusterContext;
  readonly #kubectl: Kubectl;
  readonly #helm: string;

  constructor(context: ClusterContext) {
    const binaries = findClusterBinaries();
    this.#context = context;
    this.#kubectl = new Kubectl(binaries.kubectl, context.kubeconfig);
    this.#helm = binaries.helm;
  }

  /** What somebody has to bring before installing: the namespace, the two secrets and the authority of the gateway's certificate. */
  async prepare(): Promise<void> {
    const { namespace } = release;
    const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await this.#kubectl.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: restricted } }]);
    await this.#kubectl.apply([
      secret('workos', { 'api-key': this.#context.workos.apiKey }),
      secret('postgres', { url: this.#context.postgresUrl }),
      secret('control-plane', { 'store-url': this.#context.storeUrl, 'audit-key': readFileSync(this.#context.auditKeyFile, 'utf8') }),
    ]);
    await this.bringAuthority();
  }

  /** Only where the gateway's certificate is by no public authority. */
  async bringAuthority(): Promise<void> {
    const data = { 'ca.crt': readFileSync(this.#context.gatewayAuthority, 'utf8') };
    const metadata = { name: 'gateway-authority', namespace: release.namespace };
    await this.#kubectl.apply([{ apiVersion: 'v1', kind: 'ConfigMap', metadata, data }]);
  }

  /** The files that README.md has its readers write before they install. */
  readersFiles(): Record<string, string> {
    return {
      'workos-api-key.txt': this.#context.workos.apiKey,
      'postgres-url.txt': this.#context.postgresUrl,
      'store-url.txt': this.#context.storeUrl,
      'values.yaml': JSON.stringify(this.#values(defaultRouting)),
    };
  }

  /** Installs the chart, or upgrades what is installed, and waits until it is up. */
  async install(routing: Routing = defaultRouting): Promise<void> {
    const { name, namespace } = release;
    await this.helm(
      ['upgrade', '--install', name, chart, '--namespace', namespace, '--values', '-', '--wait', '--timeout', '120s'],
      JSON.stringify(this.#values(routing)),
    );
  }

  /** Runs helm. @returns its standard output. @throws Error with what it said. */
  async helm(args: readonly string[], input?: string): Promise<string> {
    const running = execute(this.#helm, ['--kubeconfig', this.#context.kubeconfig, ...args], { maxBuffer: 64 << 20 });
    running.child.stdin?.end(input ?? '');
    try {
      return (await running).stdout;
    } catch (error) {
      const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
      throw new Error(`helm ${args.join(' ')}: ${`${stdout}\n${stderr}`.trim() || message}`);
    }
  }

  #values({ mode, kind }: Routing): object {
    const { workos } = this.#context;
    return {
      baseUrl,
      workos: {
        clientId: workos.clientId,
        oauthIssuer: workos.issuer,
        platformOrganizationId: workos.platformOrganizationId,
        adminIssuer: workos.adminIssuer,
        apiUrl: workos.apiUrl,
        existingSecret: { name: 'workos' },
      },
      controlPlane: { existingSecret: { name: 'control-plane' } },
      database: { existingSecret: { name: 'postgres' }, cidr: `${nodeAddress}/32` },
      routing: {
        mode,
        kind,
        ...(kind === 'ingress' ? { controllerNamespace: gatewayNamespace } : {}),
        ingress: { className: ingressClass },
        gateway: kind === 'gateway' ? { namespace: gatewayNamespace, name: gatewayName } : {},
      },
      verify: { caConfigMap: { name: 'gateway-authority' } },
      admin: { host: adminHost },
    };
  }
}

function secret(name: string, stringData: Record<string, string>): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: release.namespace }, stringData };
}
