import fc from 'fast-check';
import { expect, test } from 'vitest';
import { pageOf, type SortOrder, sortOrders } from '../../../../control-plane/admin/listing.ts';
import type { Tenant } from '../../../../crds/tenant.ts';

const [second, begin] = [1_000, Date.parse('2026-11-21T12:00:00Z')];
/** Few names and few seconds, so that they often meet. */
const name = fc.stringMatching(/^[a-c][-a-c]{0,1}[a-c]$/);
const age = fc.nat({ max: 3 });

function tenant(named: string, uid: string, createdMs: number): Tenant {
  // As Kubernetes stamps it: in whole seconds.
  const creationTimestamp = new Date(createdMs).toISOString().replace('.000', '');
  return {
    apiVersion: 'tenantry.dev/v1alpha1',
    kind: 'Tenant',
    metadata: { name: named, uid, creationTimestamp },
    spec: { template: { name: 'x' }, deletionPolicy: 'retain' },
  };
}

/** Tenants as they come and go. */
class World {
  readonly #tenants = new Map<string, Tenant>();
  #made = 0;

  create(named: string, createdMs: number): void {
    if (!this.#tenants.has(named)) this.#tenants.set(named, tenant(named, `uid-${this.#made++}`, createdMs));
  }

  delete(named: string): void {
    this.#tenants.delete(named);
  }

  get byName(): Tenant[] {
    return [...this.#tenants.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  get uids(): Set<string> {
    return new Set(this.byName.map(uidOf));
  }
}

const uidOf = ({ metadata }: Tenant): string => metadata.uid ?? '';
const change = fc.oneof(
  fc.record({ what: fc.constant('create' as const), name, age }),
  fc.record({ what: fc.constant('delete' as const), name, age }),
);
/** What happens between one page and the next. */
const changes = fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 40 });

test.each(sortOrders)('sorted by %s, pages contain each permanent tenant once', (sort: SortOrder) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, age), { maxLength: 25 }), changes, fc.integer({ min: 1, max: 4 }), (initial, between, limit) => {
      const world = new World();
      for (const [named, old] of initial) world.create(named, begin - old * second);
      const throughout = world.uids;
      const seen: Tenant[] = [];
      let cursor: string | undefined;
      let [page, now] = [0, begin];
      do {
        const { items, nextCursor } = pageOf(world.byName, { sort, limit, cursor });
        expect(items.length).toBeLessThanOrEqual(limit);
        if (nextCursor !== undefined) expect(items.length).toBe(limit);
        seen.push(...items);
        cursor = nextCursor;
        for (const { what, name: named, age: later } of between[page] ?? []) {
          now += later * second;
          if (what === 'create') world.create(named, now);
          else world.delete(named);
        }
        page += 1;
        if (cursor !== undefined) for (const uid of throughout) if (!world.uids.has(uid)) throughout.delete(uid);
        // Tenants created at the end without a limit would be listed without an end.
        if (page > 200) throw new Error('the pages do not end');
      } while (cursor !== undefined);

      const uids = seen.map(uidOf);
      expect(new Set(uids).size).toBe(uids.length);
      for (const uid of throughout) expect(uids).toContain(uid);
      const place = ({ metadata }: Tenant) => (sort.endsWith('name') ? metadata.name : `${metadata.creationTimestamp} ${metadata.name}`);
      const places = seen.map(place);
      const inOrder = places.toSorted((a, b) => (a < b ? -1 : 1));
      expect(places).toEqual(sort.startsWith('-') ? inOrder.reverse() : inOrder);
    }),
    { numRuns: 150 },
  );
});
