import { isIP } from 'node:net';
import { containsRange, metadataRanges } from '../../crds/address-ranges.ts';
import { pod } from '../../crds/names.ts';
import { kinds } from '../../kube/resources.ts';
import type { Settings } from '../settings.ts';
import { type Blueprint, type Child, child } from './blueprint.ts';

const named = (namespace: string): object => ({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } });
const tcp = (port: number): object => ({ protocol: 'TCP', port });

/** Port of the pod by which cert-manager shows an authority that it answers for a host: https://cert-manager.io/docs/configuration/acme/http01/ */
const solverPort = 8089;

/** Nothing may reach the pods or be reached by them but what is opened here. */
export function renderNetworkPolicy(blueprint: Blueprint): Child {
  const { settings, tenant } = blueprint;
  const callers = [...new Set([settings.gatewayNamespace, settings.systemNamespace, ...settings.metricsNamespaces])];
  return child(tenant, kinds.NetworkPolicy, 'tenantry', {
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      // The gateway for traffic, the others for metrics, which the same port serves.
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

/** The API server refuses an opening to metadata of a cloud; a Tenant that was there before opens nothing by it. */
function isOpen({ cidr }: { readonly cidr?: string | undefined }): boolean {
  return cidr === undefined || !metadataRanges.some((range) => containsRange(range, cidr));
}

/** Where clouds serve the credentials of a node, whatever opening contains it. */
function blockOf(cidr: string): { cidr: string; except?: string[] } {
  const inside = metadataRanges.filter((range) => containsRange(cidr, range));
  return { cidr, ...(inside.length > 0 ? { except: inside } : {}) };
}

function databaseEgress({ settings }: Blueprint): object[] {
  if (settings.databaseUrl === undefined) return [];
  const cidr = databaseCidrOf(settings);
  // A policy cannot name a host: without its addresses only the port can be pinned.
  const to =
    cidr === undefined
      ? [{ namespaceSelector: {} }, ...['0.0.0.0/0', '::/0'].map((all) => ({ ipBlock: blockOf(all) }))]
      : [{ ipBlock: { cidr } }];
  return [{ to, ports: [tcp(portOf(settings.databaseUrl))] }];
}

/** Addresses of the tenants' PostgreSQL server, where they are known. */
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
