import { isStall } from '../../../crds/conditions.ts';
import { causeOf } from '../cause.ts';
import type { Commands } from '../commands.ts';
import { broken, type Finding, type Link, notChecked, ok } from '../link.ts';
import type { KnownTenant } from '../scene.ts';

const consequence =
  'Sidecars ask it for memberships: users are refused with 503 once the cached answers have lived out their time; API keys work on.';

/** Checks that the control plane is ready and has registered the tenant's URLs at WorkOS. */
export const controlPlaneLink: Link = {
  name: 'control plane',
  needs: [],
  async check({ controlPlane, tenant, commands, signal }) {
    const registered = tenant && registration(tenant, commands);
    if (controlPlane.url === undefined) return registered ?? notChecked('no control plane is configured, and no Tenant tells of it');
    const look = `Look whether it runs, what its log says, and whether ${controlPlane.url} leads to it. ${consequence}`;
    const looking = [commands.parts(), commands.log('control-plane')];
    let answer: { readonly status: number; readonly text: string };
    try {
      answer = await controlPlane.ready();
    } catch (error) {
      signal.throwIfAborted();
      return broken(`${controlPlane.url} does not answer: ${causeOf(error)}`, look, registered?.seen ?? [], looking);
    }
    const seen = [`${controlPlane.url}/readyz answered ${answer.status}`];
    if (answer.status !== 200)
      return broken(`it is not ready: ${answer.text.slice(0, 200)}`, look, [...seen, ...(registered?.seen ?? [])], looking);
    if (registered === undefined) return ok(...seen);
    return { ...registered, seen: [...seen, ...registered.seen] };
  },
};

function registration({ name, status }: KnownTenant, commands: Commands): Finding | undefined {
  const condition = status.conditions?.find(({ type }) => type === 'AuthorizationReady');
  if (condition === undefined) return undefined;
  const seen = [`AuthorizationReady=${condition.status} (${condition.reason}): ${condition.message}`];
  if (condition.status === 'True') return ok(...seen);
  if (condition.reason === 'NoOrganization') return ok(...seen, 'without an organization only API keys work');
  if (isStall(condition.reason))
    return broken(condition.message, 'Do what it says; the control plane looks again every minute.', seen, [
      commands.tenantry('tenants', 'get', name),
      commands.tenantry('workos', 'check'),
    ]);
  return broken(
    'the tenant’s URLs are not registered at WorkOS: nobody can sign in to it',
    'Look what is wrong there, then at the control plane’s log.',
    seen,
    [commands.tenantry('workos', 'check'), commands.log('control-plane')],
  );
}
