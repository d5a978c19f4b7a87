import { describe, expect, it } from 'vitest';
import { maxDepth, unstorable } from '../../../../templates/api-kit/payload.ts';

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
