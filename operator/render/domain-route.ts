import { createHash } from 'node:crypto';
import { kinds } from '../../kube/resources.ts';
import { endpointsAt } from '../installation/domain-endpoints.ts';
import { annotated, type Child, child } from '../objects/child.ts';
import type { Blueprint } from './blueprint.ts';
import { httpRouteSpec, ingressRule } from './route.ts';

/** Name of a custom domain's route. It is a hash, because a host name can be too long for references to the route. */
export function domainRouteName(domain: string): string {
  return `domain-${createHash('sha256').update(domain).digest('hex').slice(0, 10)}`;
}

/** One route for each custom domain, so that its certificate is created and removed with the domain. */
export function renderDomainRoutes(blueprint: Blueprint): Child[] {
  return blueprint.domains.map((origin) => {
    const endpoints = endpointsAt(origin, blueprint.endpoints.api !== undefined);
    const { protocol, hostname: host } = new URL(origin);
    const name = domainRouteName(host);
    const { tenant, settings } = blueprint;
    if (settings.gateway !== undefined)
      return child(tenant, kinds.HTTPRoute, name, { spec: httpRouteSpec(settings.gateway, endpoints, host) });
    const { ingressClass, ingressAnnotations, domainIssuer: issuer } = settings;
    const secured = protocol === 'https:';
    const ingress = child(tenant, kinds.Ingress, name, {
      spec: {
        ...(ingressClass === undefined ? {} : { ingressClassName: ingressClass }),
        ...(secured ? { tls: [{ hosts: [host], ...(issuer === undefined ? {} : { secretName: `${name}-tls` }) }] } : {}),
        rules: [ingressRule(endpoints, host)],
      },
    });
    // https://cert-manager.io/docs/usage/ingress/
    const certificate = secured && issuer !== undefined ? { 'cert-manager.io/cluster-issuer': issuer } : {};
    return annotated(ingress, { ...ingressAnnotations, ...certificate });
  });
}
