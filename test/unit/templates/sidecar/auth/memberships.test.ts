import { describe, expect, it } from 'vitest';
import { ControlPlaneUnavailable } from '../../../../../templates/sidecar/auth/control-plane.ts';
import { type Membership, Memberships, memberMs, nonMemberMs, renewalMs } from '../../../../../templates/sidecar/auth/memberships.ts';
import { clock } from '../../clock.ts';

describe('memberships', () => {
  const yes: Membership = { member: true, access: 'all', role: 'member' };

  /** A control plane of one answer, asked with a clock that moves when it is told to. */
  function world(draw = 0.999) {
    const { now, pass } = clock();
    const state = { answer: yes as Membership, away: false, asked: 0 };
    const ask = async () => {
      state.asked++;
      if (state.away) throw new ControlPlaneUnavailable('away', 1);
      return state.answer;
    };
    const memberships = new Memberships({ ask, now, random: () => draw });
    return { state, pass, memberships, of: () => memberships.of('ada') };
  }

  it('remember a yes for 30 seconds and a no for 5', async () => {
    const { state, pass, of } = world();
    expect(await of()).toEqual(yes);
    state.away = true;
    pass(memberMs - 1);
    expect(await of()).toEqual(yes);
    pass(1);
    await expect(of()).rejects.toThrow(ControlPlaneUnavailable);
    state.away = false;
    state.answer = { member: false };
    expect(await of()).toEqual({ member: false });
    state.answer = yes;
    pass(nonMemberMs - 1);
    expect(await of()).toEqual({ member: false });
    pass(1);
    expect(await of()).toEqual(yes);
    expect([memberMs, nonMemberMs]).toEqual([30_000, 5_000]);
  });

  it('remember what a role allows with the yes, and a role that allows nothing as a no', async () => {
    const { state, pass, of } = world();
    state.answer = { member: true, access: 'read', role: 'viewer' };
    expect(await of()).toEqual(state.answer);
    state.answer = { member: true, access: 'none', role: 'guest' };
    pass(memberMs - 1);
    expect(await of()).toMatchObject({ access: 'read' });
    pass(1);
    expect(await of()).toMatchObject({ access: 'none' });
    state.answer = yes;
    pass(nonMemberMs);
    expect(await of()).toEqual(yes);
  });

  it('count the age of an answer from the question', async () => {
    const { now, pass } = clock();
    let asked = 0;
    const ask = async () => {
      asked++;
      pass(4000);
      return yes;
    };
    const memberships = new Memberships({ ask, now, random: () => 0.999 });
    await memberships.of('ada');
    pass(memberMs - 4000);
    await memberships.of('ada');
    expect(asked).toBe(2);
  });

  it('renew a yes that is used, before it ends, and are quick about a no', async () => {
    const { state, pass, of } = world(0);
    await of();
    pass(renewalMs - 1);
    await of();
    expect(state.asked).toBe(1);
    pass(1);
    state.answer = { member: false };
    expect(await of()).toEqual(yes);
    expect(state.asked).toBe(2);
    await expect.poll(of).toEqual({ member: false });
  });

  it('let a yes live out its time when it cannot be renewed, and ask once a second at most', async () => {
    const { state, pass, of } = world(0);
    await of();
    state.away = true;
    for (let time = 0; time < memberMs - 100; time += 100) {
      expect(await of()).toEqual(yes);
      await new Promise(setImmediate);
      pass(100);
    }
    expect(state.asked).toBeLessThanOrEqual(1 + (memberMs - renewalMs) / 1000);
    pass(100);
    await expect(of()).rejects.toThrow(ControlPlaneUnavailable);
  });

  it('ask for ten thousand users who came at once over half the time, not in one moment', async () => {
    const { now, pass } = clock();
    const asks: number[] = [];
    let draw = 0;
    const ask = async () => {
      asks.push(now());
      return yes;
    };
    const memberships = new Memberships({ ask, now, random: () => (draw = (draw + 0.6180339887) % 0.98) });
    const users = Array.from({ length: 10_000 }, (_, n) => `user_${n}`);
    await Promise.all(users.map((user) => memberships.of(user)));
    asks.length = 0;
    for (let time = 0; time < memberMs; time += 250) {
      await Promise.all(users.map((user) => memberships.of(user)));
      pass(250);
    }
    expect(asks).toHaveLength(10_000);
    const bySecond = Map.groupBy(asks, (time) => Math.floor(time / 1000));
    expect(Math.max(...[...bySecond.values()].map((times) => times.length))).toBeLessThan(1000);
  });

  it('ask once for many requests at a time, and remember no failure', async () => {
    const { state, of } = world();
    state.away = true;
    const answers = await Promise.allSettled([1, 2, 3].map(of));
    expect(answers.map((answer) => answer.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(state.asked).toBe(1);
    state.away = false;
    expect(await of()).toEqual(yes);
  });
});
