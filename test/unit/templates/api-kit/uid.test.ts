import { describe, expect, it } from 'vitest';
import { UidGenerator } from '../../../../templates/api-kit/uid.ts';

describe('uids', () => {
  it('sort in the order they were made, within a millisecond and when the clock steps back', () => {
    let time = 1_800_000_000_000;
    const uids = new UidGenerator(() => time);
    const made = Array.from({ length: 10_000 }, (_, n) => {
      if (n === 5000) time -= 60_000;
      if (n === 7000) time += 120_000;
      return uids.next();
    });
    expect(made).toEqual(made.toSorted());
    expect(new Set(made).size).toBe(made.length);
    expect(made[0]).toMatch(/^01a3185c-5000-7000-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});
