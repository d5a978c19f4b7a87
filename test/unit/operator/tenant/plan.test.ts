import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { labels } from '../../../../crds/names.ts';
import { type KubeObject, keyOf, kinds, type Resource } from '../../../../kube/resources.ts';
import { childKinds, routeKinds } from '../../../../operator/objects/kinds.ts';
import { renderTenant } from '../../../../operator/render/tenant.ts';
import { covers, marked } from '../../../../operator/tenant/drift.ts';
import { type Action, type Live, plan } from '../../../../operator/tenant/plan.ts';
import { blueprint } from '../../gen.ts';

const uid = blueprint().uid;

/** A world that does what the API server does with actions, as far as planning can see. */
class World {
  readonly objects = new Map<string, Live>();

  act(action: Action): void {
    const key = `${action.resource.kind}/${keyOf(action.object)}`;
    if (action.verb === 'delete') this.objects.delete(key);
    else this.objects.set(key, { resource: action.resource, object: structuredClone(action.object) });
  }

  finishJobs(type: 'Complete' | 'Failed' = 'Complete'): void {
    for (const { resource, object } of this.objects.values()) {
      if (resource.kind === 'Job') Object.assign(object, { status: { conditions: [{ type, status: 'True' }] } });
    }
  }

  get live(): Live[] {
    return [...this.objects.values()];
  }

  kinds(): string[] {
    return this.live.map(({ resource }) => resource.kind).sort();
  }
}

function settle(world: World, options: Parameters<typeof blueprint>[0] = {}): void {
  const rendered = renderTenant(blueprint(options));
  for (let pass = 0; pass < 3; pass++) {
    for (const action of plan(rendered, world.live, uid, true).actions) world.act(action);
    world.finishJobs();
  }
}

describe('the plan', () => {
  test('applies the workload only after the migration has succeeded', () => {
    const world = new World();
    const rendered = renderTenant(blueprint());
    const first = plan(rendered, world.live, uid, true);
    expect(first.migration).toBe('absent');
    for (const action of first.actions) world.act(action);
    expect(world.kinds()).toContain('Job');
    expect(world.kinds()).not.toContain('Deployment');
    expect(plan(rendered, world.live, uid, true)).toEqual({ actions: [], migration: 'running' });
    world.finishJobs();
    const last = plan(rendered, world.live, uid, true);
    expect(last.migration).toBe('succeeded');
    expect(last.actions.map((action) => action.resource.kind)).toEqual(['Deployment']);
  });

  test('keeps the running workload when a migration fails', () => {
    const world = new World();
    settle(world);
    const changed = renderTenant(blueprint({ template: { containers: [{ name: 'api', image: 'tenantry/tenant:2' }] } }));
    for (const action of plan(changed, world.live, uid, true).actions) world.act(action);
    world.finishJobs('Failed');
    const result = plan(changed, world.live, uid, true);
    expect(result).toEqual({ actions: [], migration: 'failed' });
    const deployment = world.live.find(({ resource }) => resource.kind === 'Deployment');
    expect(JSON.stringify(deployment?.object)).toContain('tenantry/tenant:1');
  });

  test('needs no migration without a database', () => {
    const world = new World();
    settle(world, { spec: { database: { mode: 'none' } } });
    expect(world.kinds()).not.toContain('Job');
    expect(world.kinds()).toContain('Deployment');
  });

  test('removes what fell out of it, and only what carries the UID of the tenant', () => {
    const world = new World();
    settle(world);
    const stray = (name: string, owner: string): Live => ({
      resource: kinds.Service,
      object: { metadata: { name, namespace: 'tenant-acme', uid: name, labels: { [labels.tenantUid]: owner } } },
    });
    world.objects.set('Service/tenant-acme/mine', stray('mine', uid));
    world.objects.set('Service/tenant-acme/theirs', stray('theirs', 'another-uid'));
    const { actions } = plan(renderTenant(blueprint()), world.live, uid, true);
    expect(actions.map((action) => [action.verb, action.object.metadata.name])).toEqual([['delete', 'mine']]);
  });

  test('leaves alone what is already going', () => {
    const world = new World();
    settle(world);
    const going: Live = {
      resource: kinds.Service,
      object: {
        metadata: {
          name: 'going',
          namespace: 'tenant-acme',
          labels: { [labels.tenantUid]: uid },
          deletionTimestamp: '2026-01-01T00:00:00Z',
        },
      },
    };
    world.objects.set('Service/tenant-acme/going', going);
    expect(plan(renderTenant(blueprint()), world.live, uid, true).actions).toEqual([]);
  });

  test('every kind that is rendered is watched, and the operator may write it', () => {
    const viaGateway = { TENANTRY_ROUTE_KIND: 'gateway', TENANTRY_GATEWAY: 'gateways/public' };
    const rendered = [{}, viaGateway].flatMap((environment) => {
      const { foundation, migration, workload } = renderTenant(blueprint({ environment }));
      return [...foundation, ...(migration ? [migration] : []), ...workload].map(({ resource }) => resource);
    });
    expect(new Set([...childKinds, ...routeKinds])).toEqual(new Set(rendered));
    const [role] = parseAllDocuments(readFileSync(new URL('../../../../operator/rbac.yaml', import.meta.url), 'utf8')).map((document) =>
      document.toJS(),
    );
    const rules = role.rules as { apiGroups: string[]; resources: string[]; verbs: string[] }[];
    for (const { apiVersion, plural } of [...childKinds, ...routeKinds]) {
      const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
      const verbs = rules
        .filter((rule) => rule.apiGroups.includes(group ?? '') && rule.resources.includes(plural))
        .flatMap((rule) => rule.verbs);
      expect(verbs, plural).toEqual(expect.arrayContaining(['get', 'list', 'watch', 'create', 'patch', 'delete']));
    }
  });

  test('removes the Job of an earlier revision once the new one has succeeded', () => {
    const world = new World();
    settle(world);
    const before = world.live.find(({ resource }) => resource.kind === 'Job')?.object.metadata.name;
    settle(world, { template: { containers: [{ name: 'api', image: 'tenantry/tenant:2' }] } });
    const jobs = world.live.filter(({ resource }) => resource.kind === 'Job').map(({ object }) => object.metadata.name);
    expect(jobs).toHaveLength(1);
    expect(jobs[0]).not.toBe(before);
  });

  const damage = fc.oneof(
    fc.record({ do: fc.constant('delete' as const), at: fc.nat(20) }),
    fc.record({ do: fc.constant('strip' as const), at: fc.nat(20) }),
    fc.record({ do: fc.constant('foreign' as const), at: fc.nat(20) }),
    fc.record({ do: fc.constant('pass' as const), at: fc.nat(20) }),
  );

  test('comes to the same world whatever was deleted, changed, added or interrupted, and then has nothing to do', () => {
    const wanted = new World();
    settle(wanted);
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 25 }), (steps) => {
        const world = new World();
        const rendered = renderTenant(blueprint());
        for (const step of steps) {
          const keys = [...world.objects.keys()];
          const key = keys[step.at % Math.max(keys.length, 1)];
          const live = key === undefined ? undefined : world.objects.get(key);
          if (step.do === 'pass') {
            const { actions } = plan(rendered, world.live, uid, true);
            // A pass may be cut off after any action.
            for (const action of actions.slice(0, step.at)) world.act(action);
            if (step.at % 2 === 0) world.finishJobs();
          } else if (key !== undefined && live) {
            if (step.do === 'delete') world.objects.delete(key);
            else if (step.do === 'strip') Object.assign(live.object, { spec: undefined, roleRef: undefined, subjects: undefined });
            else Object.assign(live.object.metadata, { annotations: { ...live.object.metadata.annotations, foreign: 'yes' } });
          }
        }
        settle(world);
        const names = (w: World): string[] => [...w.objects.keys()].sort();
        expect(names(world)).toEqual(names(wanted));
        for (const [key, { object }] of wanted.objects) {
          // A Job is judged by its name alone, because nobody can change one.
          if (!key.startsWith('Job/')) expect(covers(world.objects.get(key)?.object, withoutStatus(object))).toBe(true);
        }
        expect(plan(rendered, world.live, uid, true).actions).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

function withoutStatus(object: KubeObject): KubeObject {
  const { status: _, ...rest } = object as KubeObject & { status?: unknown };
  return rest;
}

describe('drift', () => {
  const object = (spec: object): { resource: Resource; object: KubeObject } => ({
    resource: kinds.Deployment,
    object: { metadata: { name: 'x' }, ...{ spec } },
  });

  test('defaults, injected containers and quantities in other words are no drift', () => {
    const wanted = { containers: [{ name: 'a', resources: { limits: { cpu: '1000m', memory: '1Gi' } } }], egress: [], labels: {} };
    const live = {
      containers: [
        { name: 'injected', image: 'mesh' },
        { name: 'a', resources: { limits: { cpu: '1', memory: '1024Mi' } }, terminationMessagePath: '/dev/x' },
      ],
      replicas: 1,
    };
    expect(covers(live, wanted)).toBe(true);
  });

  test.each([
    ['a changed condition', { conditions: [{ type: 'A', status: 'True' }] }, { conditions: [{ type: 'A', status: 'False' }] }],
    ['a changed value', { a: 1 }, { a: 2 }],
    ['a missing field', { a: 1 }, {}],
    ['a missing element', { list: [{ name: 'x' }] }, { list: [{ name: 'y' }] }],
    ['another length', { list: [1, 2] }, { list: [1] }],
    ['a number as text', { a: '1000m' }, { a: '1' }],
    ['nothing at all', { a: { b: 1 } }, undefined],
    ['null in place of an object', { a: { b: 1 } }, { a: null }],
    ['a text in place of an object', { a: { length: 1 } }, { a: 'x' }],
    ['an object in place of a list', { list: [{ name: 'x' }] }, { list: { name: 'x' } }],
    ['a missing list', { list: [{ name: 'x' }] }, {}],
    ['one of two elements', { list: [{ name: 'x' }, { name: 'y' }] }, { list: [{ name: 'x' }, { name: 'z' }] }],
    ['one of two values', { list: [1, 2] }, { list: [1, 3] }],
    ['a longer list of values', { list: [1] }, { list: [1, 2] }],
    ['a value in a list that has names in part', { list: [{ name: 'x' }, 'y'] }, { list: [{ name: 'x' }, 'z'] }],
    ['an element of an empty list', { list: [] }, { list: [{ name: 'x' }] }],
    ['another quantity', { limits: { cpu: '1000m' } }, { limits: { cpu: '2' } }],
    ['a text that is no quantity', { limits: { cpu: 'much' } }, { limits: { cpu: 'more' } }],
    ['a number beside a quantity', { limits: { cpu: '1' } }, { limits: { cpu: 1 } }],
  ])('%s is drift', (_name, wanted, live) => {
    expect(covers(live, wanted)).toBe(false);
  });

  test('a field that is not wanted may have any value', () => {
    expect(covers({ a: 1 }, { a: undefined })).toBe(true);
  });

  test('the mark is an annotation of 16 hexadecimal digits', () => {
    expect(Object.values(marked(object({ a: 1 })).metadata.annotations ?? {})).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
  });

  test("another manager's condition in the same list is no drift", () => {
    const ours = { type: 'Ready', status: 'True' };
    expect(covers({ conditions: [{ type: 'Theirs', status: 'False' }, ours] }, { conditions: [ours] })).toBe(true);
  });

  test('a key that is no longer wanted shows in the mark', () => {
    const before = marked(object({ a: 1, b: 2 }));
    const after = marked(object({ a: 1 }));
    expect(covers(before, after)).toBe(false);
    expect(marked(object({ b: 2, a: 1 }))).toEqual(before);
  });
});
