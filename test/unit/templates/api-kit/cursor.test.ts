import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from '../../../../templates/api-kit/cursor.ts';
import { UidGenerator } from '../../../../templates/api-kit/uid.ts';

describe('cursors', () => {
  it('lead back to the uid, and nothing else is one', () => {
    const uid = new UidGenerator().next();
    const cursor = encodeCursor(uid);
    expect(cursor).toHaveLength(22);
    expect(decodeCursor(cursor)).toBe(uid);
    for (const bad of ['', uid, `${cursor}A`, cursor.slice(1), "' or 1=1 --"]) expect(decodeCursor(bad)).toBeUndefined();
  });
});
