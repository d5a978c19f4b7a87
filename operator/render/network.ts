import { isIP } from 'node:net';
import { containsRange, metadataRanges } from '../../crds/address-ranges.ts';
import { pod } from '../../crds/names.ts';
import { kinds } from '../../kube/resources.ts';
import type { Settings } from '../installation/settings.ts';
import { type Child, child } from '../objects/child.ts';
import type { Blueprint } from './blueprint.ts';

const named = (namespace: string): object => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } });
const tcp = (port: number): object => ({ protocol: 'TCP', port });

/** Port of cert-manager's solver pod for the HTTP-01 challenge: https://cert-manager.io/docs/configuration/acme/http01/ */
const solverPort = 8089;

/** Denies all traffic to and from the pods except the traffic listed here. */
export function renderNetworkPolicy(blueprint: Blueprint): Child {
  const { settings, tenant } = blueprint;
  const callers = [...new Set([settings.gatewayNamespace, settings.systemNamespace, ...settings.metricsNamespaces])];
  return child(tenant, kinds.NetworkPolicy, 'tenantry', {
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      // The gateway sends the traffic. The other namespaces read the metrics, which the same port serves.
      ingress: [
        { from: callers.map(named), ports: [tcp(pod.sidecarPort)] },
        ...(settings.domainIssuer !== undefined && blueprint.domains.length > 0
          ? [{ from: [named(settings.gatewayNamespace)], ports: [tcp(solverPort)] }]
          : []),
      ],
      egress: [
        { to: [named('kube-system')], ports: [{ protocol: 'UDP', port: 53 }, tcp(53)] },
        { to: [named(settings.systemNamespace)], ports: [tcp(portOf(settings.controlPlaneUrl))] },
        ...(blueprint.database ? databaseEgress(blueprint) : []),
        ...(tenant.spec.network?.egress ?? []).filter(isOpen).map((opening) => ({
          to: [
            opening.cidr === undefined
              ? { namespaceSelector: { matchLabels: opening.namespaceSelector ?? {} } }
              : { ipBlock: blockOf(opening.cidr) },
          ],
          ...(opening.ports ? { ports: opening.ports.map(tcp) } : {}),
        })),
      ],
    },
  });
}

/**
 * False for an opening to the metadata addresses of a cloud. The API server refuses such an opening today, but an older Tenant may still
 * have one.
 */
function isOpen({ cidr }: { readonly cidr?: string | undefined }): boolean {
  return cidr === undefined || !metadataRanges.some((range) => containsRange(range, cidr));
}

/** The opening without the addresses at which clouds serve the credentials of a node. */
function blockOf(cidr: string): { cidr: string; except?: string[] } {
  const inside = metadataRanges.filter((range) => containsRange(cidr, range));
  return { cidr, ...(inside.length > 0 ? { except: inside } : {}) };
}

function databaseEgress({ settings }: Blueprint): object[] {
  if (settings.databaseUrl === undefined) return [];
  const cidr = databaseCidrOf(settings);
  // A policy cannot name a host. Without the addresses of the server only the port can be restricted.
  const to =
    cidr === undefined
      ? [{ namespaceSelector: {} }, ...['0.0.0.0/0', '::/0'].map((all) => ({ ipBlock: blockOf(all) }))]
      : [{ ipBlock: { cidr } }];
  return [{ to, ports: [tcp(portOf(settings.databaseUrl))] }];
}

/** Addresses of the tenants' PostgreSQL server, if they are known. */
export function databaseCidrOf({ databaseUrl, databaseCidr }: Pick<Settings, 'databaseUrl' | 'databaseCidr'>): string | undefined {
  if (databaseUrl === undefined || databaseCidr !== undefined) return databaseCidr;
  const host = new URL(databaseUrl).hostname.replace(/^\[|\]$/g, '');
  const version = isIP(host);
  return version === 4 ? `${host}/32` : version === 6 ? `${host}/128` : undefined;
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : protocol === 'http:' ? 80 : 5432;
}
