import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from '../../templates/runtime/api/cursor.ts';
import { maxDepth, unstorable } from '../../templates/runtime/api/payload.ts';
import { UidGenerator } from '../../templates/runtime/api/uid.ts';
import { integer, required } from '../../templates/runtime/environment.ts';
import { describeError } from '../../templates/runtime/logging.ts';
import { requestIdOf } from '../../templates/runtime/request-id.ts';

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

describe('cursors', () => {
  it('lead back to the uid, and nothing else is one', () => {
    const uid = new UidGenerator().next();
    const cursor = encodeCursor(uid);
    expect(cursor).toHaveLength(22);
    expect(decodeCursor(cursor)).toBe(uid);
    for (const bad of ['', uid, `${cursor}A`, cursor.slice(1), "' or 1=1 --"]) expect(decodeCursor(bad)).toBeUndefined();
  });
});

describe('payloads', () => {
  it('that PostgreSQL cannot hold are found, with the place', () => {
    expect(unstorable({ a: [{ b: 'fine 🙂' }] })).toBeUndefined();
    expect(unstorable({ a: [{ 'x/y~z': 'nul\0' }] })?.pointer).toBe('/a/0/x~1y~0z');
    expect(unstorable({ a: '\udc00' })?.pointer).toBe('/a');
    expect(unstorable({ 'k\0': 1 })).toBeDefined();
    let deep: unknown = 1;
    for (let n = 0; n < maxDepth; n++) deep = [deep];
    expect(unstorable(deep)).toBeUndefined();
    expect(unstorable([deep])?.detail).toContain('64 levels');
  });
});

describe('what is printed', () => {
  it('of an error leaves out the fields in which libraries keep credentials', () => {
    const error = Object.assign(new Error('no'), { code: 'X', input: 'postgres://u:secret@h', config: { password: 'secret' } });
    expect(JSON.stringify(describeError(new Error('outer', { cause: error })))).not.toContain('secret@');
    expect(describeError(error)).toMatchObject({ message: 'no', code: 'X' });
  });

  it('of a faulty variable is its name', () => {
    expect(() => required({ A: '' }, 'A')).toThrow('A is not set');
    expect(() => integer({ PORT: 'secret' }, 'PORT', { min: 1, max: 2, default: 1 })).toThrow('PORT must be a whole number from 1 to 2');
    expect(integer({}, 'PORT', { min: 1, max: 2, default: 1 })).toBe(1);
  });

  it('as request id is safe', () => {
    expect(requestIdOf({ 'x-request-id': 'a-1.b:2' })).toBe('a-1.b:2');
    for (const bad of ['', 'a b', 'a\nb', 'x'.repeat(129)]) expect(requestIdOf({ 'x-request-id': bad })).toMatch(/^[0-9a-f-]{36}$/);
  });
});
