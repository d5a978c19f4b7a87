import { BlockList, isIP } from 'node:net';
import { pod } from '../../crds/names.ts';
import { kinds } from '../../kube/resources.ts';
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
        ...(tenant.spec.network?.egress ?? []).map((opening) => ({
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

/** Clouds serve the node's credentials at link-local addresses: no range that merely contains them opens them. */
const linkLocal = { address: '169.254.0.0', bits: 16 };

function blockOf(cidr: string): { cidr: string; except?: string[] } {
  const [address = '', bits = ''] = cidr.split('/');
  if (isIP(address) !== 4 || Number(bits) >= linkLocal.bits) return { cidr };
  const range = new BlockList();
  range.addSubnet(address, Number(bits));
  return range.check(linkLocal.address) ? { cidr, except: [`${linkLocal.address}/${linkLocal.bits}`] } : { cidr };
}

function databaseEgress({ settings }: Blueprint): object[] {
  if (settings.databaseUrl === undefined) return [];
  const host = new URL(settings.databaseUrl).hostname.replace(/^\[|\]$/g, '');
  const version = isIP(host);
  const cidr = settings.databaseCidr ?? (version === 4 ? `${host}/32` : version === 6 ? `${host}/128` : undefined);
  // A policy cannot name a host: without its addresses only the port can be pinned.
  return [{ ...(cidr === undefined ? {} : { to: [{ ipBlock: { cidr } }] }), ports: [tcp(portOf(settings.databaseUrl))] }];
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : protocol === 'http:' ? 80 : 5432;
}
