import { namespaceOf } from '../../../crds/names.ts';
import { kinds } from '../../../kube/resources.ts';
import type { Cluster } from '../cluster.ts';
import { broken, type Finding, type Link, notChecked, ok } from '../link.ts';
import type { Outside } from '../outside.ts';
import { asPermitted } from '../permitted.ts';
import type { Scene } from '../scene.ts';
import { type HttpRoute, type Ingress, leadsTo, ofHttpRoute, ofIngress } from './routes.ts';

/** Checks that the gateway routes the tenant's URL to the tenant, by the routes in the cluster and by the answer of the URL. */
export const routeLink: Link = {
  name: 'route',
  needs: ['dns', 'tcp', 'tls'],
  async check(scene, reachable) {
    const { cluster, tenant } = scene;
    const inside =
      cluster === undefined || tenant === undefined ? undefined : await asPermitted(() => lookInside(cluster, tenant.name, scene));
    if (inside?.state === 'broken') return inside;
    const seen = inside?.state === 'not checked' ? [`its object was not looked at: ${inside.why}`] : (inside?.seen ?? []);
    if (scene.outside === undefined || reachable === 'unreachable') return inside ?? notChecked('the tenant has no URL yet');
    const answered = await fromOutside(scene.outside, scene);
    if (answered.state !== 'ok') return { ...answered, seen: [...seen, ...answered.seen] };
    return ok(...seen, ...answered.seen);
  },
};

async function lookInside(cluster: Cluster, tenant: string, { url, commands }: Scene): Promise<Finding> {
  const [ingresses, httpRoutes, service] = await Promise.all([
    cluster.list<Ingress>(kinds.Ingress, tenant),
    cluster.list<HttpRoute>(kinds.HTTPRoute, tenant),
    cluster.find(kinds.Service, 'stack', tenant),
  ]);
  const routes = [...ingresses.map(ofIngress), ...httpRoutes.map(ofHttpRoute)];
  const seen = routes.map(({ kind, name, hosts, paths }) => `${kind} ${name}: ${hosts.join(', ') || 'any host'}, ${paths.join(' ')}`);
  const namespace = namespaceOf(tenant);
  const again = 'The operator makes it: look at the Tenant’s conditions and at the operator’s log.';
  const looking = [commands.kubectl('describe', 'tenant', tenant), commands.log('operator')];
  if (routes.length === 0) return broken(`there is neither an Ingress nor an HTTPRoute in ${namespace}`, again, [], looking);
  if (service === undefined) return broken(`there is no Service stack in ${namespace}`, again, seen, looking);
  const refused = routes.find(({ refusals }) => refusals.length > 0);
  if (refused !== undefined)
    return broken(
      `the gateway does not take ${refused.kind} ${refused.name}: ${refused.refusals.join('; ')}`,
      'Look at the Gateway, its listeners and which namespaces it allows.',
      seen,
      [commands.kubectl('describe', refused.kind.toLowerCase(), '--namespace', namespace, refused.name)],
    );
  const wanted = url === undefined ? undefined : new URL(url);
  const leads = wanted === undefined || routes.some((route) => leadsTo(route, wanted));
  return leads ? ok(...seen) : broken(`no route is for ${wanted?.hostname}${wanted?.pathname}`, again, seen, looking);
}

async function fromOutside(outside: Outside, { tenant, commands }: Scene): Promise<Finding> {
  const { metadataUrl } = outside;
  let answer: Awaited<ReturnType<Outside['metadata']>>;
  try {
    answer = await outside.metadata();
  } catch (error) {
    return broken(
      `${metadataUrl}: ${(error as Error).message}`,
      'Something listens there but does not speak HTTP as clients do: look at the gateway.',
    );
  }
  const { status, headers } = answer;
  const server = headers.get('server');
  const said = `${metadataUrl} answered ${status}${server === null ? '' : ` (server: ${server})`}`;
  if (status === 404)
    return broken(
      `${said}: what answers there has no route to the tenant`,
      'Look whether the URL is the tenant’s, whether DNS leads to the right gateway, and whether the gateway serves the class of the route.',
      [],
      [tenant === undefined ? commands.tenantry('tenants', 'list') : commands.tenantry('tenants', 'get', tenant.name)],
    );
  if (status >= 300 && status < 400)
    return broken(
      `${said} and leads to ${headers.get('location') ?? 'nowhere'}`,
      'MCP clients do not follow it: let the gateway serve the URL itself, by the scheme and host that the installation’s base URL has.',
    );
  return ok(said);
}
