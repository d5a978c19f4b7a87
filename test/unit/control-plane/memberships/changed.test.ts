import { expect, test } from 'vitest';
import { payloadOf, readPayload } from '../../../../control-plane/memberships/changed.ts';

test('splits changed memberships into payloads that fit notifications', () => {
  const many = Array.from({ length: 1_000 }, (_, i) => ({
    organizationId: `org_${i}`.padEnd(64, 'x'),
    userId: `user_${i}`.padEnd(40, 'x'),
  }));
  const payloads = payloadOf(many);
  expect(payloads.every((payload) => Buffer.byteLength(payload) < 8_000)).toBe(true);
  expect(payloads.flatMap((payload) => readPayload(payload))).toEqual(many);
  expect(readPayload('nonsense')).toBeUndefined();
});
