import { afterAll, expect, test } from 'vitest';
import { isTrue } from '../../../crds/conditions.ts';
import { kinds } from '../../../kube/resources.ts';
import { manifest } from '../../customer.ts';
import { World } from '../../world.ts';

const world = new World();
const name = world.name('switched');

afterAll(() => world.remove(name));

const change = (spec: object) => world.kube.patch(kinds.Tenant, name, { spec });

test('the status counts the tools that are there once a switch or a rule has changed them', async () => {
  await world.kubectl(['apply', '-f', '-'], manifest(name, { deletionPolicy: 'delete' }));
  const all = (await world.ready(name)).status?.server?.tools ?? 0;
  expect(all).toBe(40);
  const counts = (tools: number) => world.until(name, ({ status }) => status?.server?.tools === tools);
  await change({ tools: { deny: ['delete_*'] } });
  await counts(35);
  await change({ tools: null, services: { notes: false } });
  await counts(32);
  await change({ services: null });
  await counts(40);
});

test('a switch that the template does not have is told of, with those it has, and the pods go on', async () => {
  await change({ services: { unheard: false } });
  const tenant = await world.until(name, ({ status }) =>
    (status?.conditions ?? []).some(({ type, status: holds }) => type === 'TemplateResolved' && holds === 'False'),
  );
  const message = tenant.status?.conditions?.find(({ type }) => type === 'TemplateResolved')?.message;
  expect(message).toMatch(/\/spec\/services\/unheard is not a service of the template; it has: notes, tasks/);
  expect(isTrue(tenant.status?.conditions, 'Ready')).toBe(true);
});
