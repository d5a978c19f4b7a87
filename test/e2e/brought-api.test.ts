import { describe, expect, test } from 'vitest';
import type { StackTemplateSpec } from '../../crds/stack-template.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { manifest } from '../customer.ts';
import { World } from '../world.ts';

const world = new World();

type Container = StackTemplateSpec['containers'][number];

/** That the operator reaches the report through enforced network policies, and understands the words of a real container runtime. */
describe('the status of a tenant with a mistake in its API', () => {
  test.each<[string, Partial<StackTemplateSpec>, Partial<Container>, RegExp]>([
    ['DocumentUnusable', { openapi: { path: '/nowhere.json' } }, {}, /GET \/nowhere\.json answered 404/],
    ['ApiNotReady', {}, { readyPath: '/nowhere' }, /GET \/nowhere answered 404/],
    ['ProgramMissing', {}, { command: ['/nonexistent/shop'] }, /program of container api cannot be started.*\/nonexistent\/shop/],
  ])('names %s', async (reason, change, containerChange, message) => {
    const name = world.name('brought');
    const { spec } = await world.kube.get<KubeObject & { spec: StackTemplateSpec }>(kinds.StackTemplate, 'toolbridge');
    const containers = spec.containers.map((container) => ({ ...container, ...containerChange }));
    await world.kube.create(kinds.StackTemplate, { metadata: { name }, ...{ spec: { ...spec, ...change, containers } } });
    try {
      await world.kubectl(['apply', '-f', '-'], manifest(name, { template: { name }, deletionPolicy: 'delete' }));
      const stuck = await world.until(name, ({ status }) =>
        Boolean(status?.conditions?.some((condition) => condition.type === 'WorkloadAvailable' && condition.reason === reason)),
      );
      expect(stuck.status?.conditions?.find(({ type }) => type === 'WorkloadAvailable')?.message).toMatch(message);
    } finally {
      await world.remove(name);
      await world.kube.delete(kinds.StackTemplate, name);
    }
  });
});
