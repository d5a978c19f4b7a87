import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { KubeClient } from '../../kube/client.ts';
import { LeaderElection, type LeaderElectionOptions } from '../../kube/leader-election.ts';
import { type KubeObject, kinds } from '../../kube/resources.ts';
import { World } from '../world.ts';

const world = new World();
/** Long enough that no lease is lost because the machine is busy; and short, where one is to run out. */
const timing = { leaseMs: 20_000, renewMs: 15_000, retryMs: 200 };
const short = { leaseMs: 4_000, renewMs: 3_000, retryMs: 200 };
const log = pino({ level: 'silent' });

type Lease = KubeObject & { spec?: { holderIdentity?: string; leaseTransitions?: number } };

let leases: string[] = [];
const stop = new AbortController();
afterEach(async () => {
  for (const name of leases) await world.kube.delete(kinds.Lease, name, { namespace: 'default' });
  leases = [];
});
afterAll(() => stop.abort());

function newLease(): { namespace: string; name: string } {
  const name = `test-${randomBytes(4).toString('hex')}`;
  leases.push(name);
  return { namespace: 'default', name };
}

function replica(lease: { namespace: string; name: string }, identity: string, options: Partial<LeaderElectionOptions> = {}) {
  const registry = new Registry();
  const election = new LeaderElection({ client: world.kube, lease, identity, registry, log, timing, ...options });
  const ending = new AbortController();
  const signal = AbortSignal.any([stop.signal, ending.signal]);
  return {
    election,
    registry,
    lead: () => election.lead(signal),
    /** As a process that is killed: nothing is renewed and nothing released. */
    die: () => ending.abort(),
    leave: async () => {
      ending.abort();
      await election.release();
    },
  };
}

const read = ({ namespace, name }: { namespace: string; name: string }): Promise<Lease> =>
  world.kube.get<Lease>(kinds.Lease, name, { namespace });

const ended = (term: AbortSignal): Promise<void> =>
  new Promise((resolve) => (term.aborted ? resolve() : term.addEventListener('abort', () => resolve(), { once: true })));

describe('of two replicas', () => {
  test('one leads, and the other as soon as the first leaves', async () => {
    const lease = newLease();
    const first = replica(lease, 'first');
    const second = replica(lease, 'second');
    const term = await first.lead();
    const waiting = second.lead();
    expect((await read(lease)).spec).toMatchObject({ holderIdentity: 'first', leaseTransitions: 0 });
    expect([first.election.leading, second.election.leading]).toEqual([true, false]);
    const started = performance.now();
    await first.leave();
    await waiting;
    expect(performance.now() - started).toBeLessThan(timing.leaseMs);
    expect((await read(lease)).spec).toMatchObject({ holderIdentity: 'second' });
    expect(first.election.leading).toBe(false);
    expect(term.aborted).toBe(false);
  });

  test('the second takes over from one that died, but not before its lease has run out', async () => {
    const lease = newLease();
    const first = replica(lease, 'first', { timing: short });
    await first.lead();
    const second = replica(lease, 'second', { timing: short });
    const died = performance.now();
    first.die();
    await second.lead();
    expect(performance.now() - died).toBeGreaterThan(short.renewMs);
    expect((await read(lease)).spec).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1 });
    await expect(second.registry.metrics()).resolves.toContain(`leader_election_master_status{name="${lease.name}"} 1`);
    await second.leave();
  });

  test('one that comes back under its own name leads at once', async () => {
    const lease = newLease();
    const before = replica(lease, 'same');
    await before.lead();
    before.die();
    const after = replica(lease, 'same');
    const started = performance.now();
    await after.lead();
    expect(performance.now() - started).toBeLessThan(timing.renewMs);
    await after.leave();
  });
});

describe('a leader', () => {
  test('stops when another holds its lease', async () => {
    const lease = newLease();
    const leader = replica(lease, 'leader');
    const lost = ended(await leader.lead());
    await world.kube.patch(kinds.Lease, lease.name, { spec: { holderIdentity: 'usurper' } }, { namespace: 'default' });
    await lost;
    expect(leader.election.leading).toBe(false);
    await leader.election.release();
    expect((await read(lease)).spec).toMatchObject({ holderIdentity: 'usurper' });
  });

  test('that cannot renew stops before others may begin', async () => {
    const lease = newLease();
    let cut = false;
    const client = KubeClient.fromConfig({
      kubeconfig: world.context.kubeconfig,
      beforeWrite: () => {
        if (cut) throw Object.assign(new Error('cut off'), { code: 'ECONNREFUSED' });
      },
    });
    const leader = replica(lease, 'leader', { client, timing: short });
    const term = await leader.lead();
    const lost = ended(term);
    const second = replica(lease, 'second', { timing: short });
    cut = true;
    const taken = second.lead().then(() => performance.now());
    await lost;
    const stopped = performance.now();
    expect(await taken).toBeGreaterThan(stopped);
    expect(leader.election.assertLeading).toThrow(/no longer the leader/);
    // It may lead again, in a term of its own, once nobody else does.
    cut = false;
    const again = leader.lead();
    await second.leave();
    const next = await again;
    expect([term.aborted, next.aborted]).toEqual([true, false]);
    expect(leader.election.assertLeading).not.toThrow();
    expect((await read(lease)).spec).toMatchObject({ holderIdentity: 'leader', leaseTransitions: 3 });
    await leader.leave();
    await client.close();
  });

  test('that was stopped for longer than its lease sends no write when it wakes up', async () => {
    const lease = newLease();
    let asleepMs = 0;
    const leader = replica(lease, 'leader', { now: () => performance.now() + asleepMs });
    await leader.lead();
    const client = KubeClient.fromConfig({ kubeconfig: world.context.kubeconfig, beforeWrite: leader.election.assertLeading });
    const write = (): Promise<unknown> =>
      client.patch(kinds.Lease, lease.name, { metadata: { labels: { written: 'yes' } } }, { namespace: 'default' });
    await write();
    asleepMs = timing.renewMs + 1;
    const { resourceVersion } = (await read(lease)).metadata;
    await expect(write()).rejects.toThrow(/no longer the leader/);
    expect((await read(lease)).metadata.resourceVersion).toBe(resourceVersion);
    await client.close();
    leader.die();
  });

  test('goes on when its lease is deleted', async () => {
    const lease = newLease();
    const leader = replica(lease, 'leader');
    await leader.lead();
    await world.kube.delete(kinds.Lease, lease.name, { namespace: 'default' });
    await world.object(kinds.Lease, lease.name, 'default', (object) => object !== undefined);
    expect((await read(lease)).spec).toMatchObject({ holderIdentity: 'leader' });
    expect(leader.election.leading).toBe(true);
    await leader.leave();
  });
});
