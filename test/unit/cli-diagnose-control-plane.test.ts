import { expect, test } from 'vitest';
import { Commands } from '../../cli/diagnose/commands.ts';
import { controlPlaneLink } from '../../cli/diagnose/links/control-plane.ts';
import type { KnownTenant, Scene } from '../../cli/diagnose/scene.ts';
import type { Condition } from '../../crds/conditions.ts';
import { condition, tenant } from './gen.ts';

/** What is found where the Tenant alone tells, as without a control plane's URL. */
function finding(told: Condition): ReturnType<typeof controlPlaneLink.check> {
  const { metadata, spec, status = {} } = tenant({}, { conditions: [told] });
  const known: KnownTenant = {
    name: metadata.name,
    source: 'cluster',
    generation: 1,
    createdAt: undefined,
    deletedAt: undefined,
    paused: false,
    spec,
    status,
  };
  const scene: Scene = {
    tenant: known,
    unknownBecause: '',
    url: undefined,
    domain: undefined,
    cluster: undefined,
    noClusterBecause: '',
    outside: undefined,
    controlPlane: { url: undefined, ready: async () => ({ status: 0, text: '' }), issuer: async () => undefined },
    commands: new Commands({ kubeconfig: undefined, context: undefined, namespace: 'tenantry-system', logs: undefined }),
    token: undefined,
    now: () => new Date(),
    signal: new AbortController().signal,
  };
  return controlPlaneLink.check(scene, 'unreachable');
}

test.each(['OrganizationNotFound', 'OrganizationTaken', 'OrganizationRefused', 'InvitationRefused'])(
  'what a person has to put right (%s) is told in the words of the control plane',
  async (reason) => {
    const message = 'WorkOS refused it. Correct spec.organization.';
    const found = await finding({ ...condition('AuthorizationReady', 'False', reason), message });
    expect(found).toMatchObject({ state: 'broken', fault: message, remedy: expect.stringMatching(/\.$/) });
    expect(JSON.stringify(found)).not.toMatch(/not registered|log/);
  },
);

test('a WorkOS that does not answer is looked at in the log', async () => {
  const found = await finding(condition('AuthorizationReady', 'False', 'ProviderUnavailable'));
  expect(found).toMatchObject({ state: 'broken', fault: expect.stringContaining('not registered') });
  expect(found).toMatchObject({ commands: expect.arrayContaining([expect.stringContaining('kubectl logs')]) });
});
