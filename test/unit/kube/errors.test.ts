import { describe, expect, test } from 'vitest';
import { isNotFound, KubeError } from '../../../kube/errors.ts';

const from = (status: number, body: unknown) =>
  KubeError.fromResponse(status, typeof body === 'string' ? body : JSON.stringify(body), 'GET /x');

describe('an error of the Kubernetes API', () => {
  test.each([
    [0, true, false],
    [400, false, false],
    [401, false, false],
    [403, false, false],
    [404, false, true],
    [408, true, false],
    [409, true, true],
    [410, false, false],
    [422, false, false],
    [429, true, false],
    [499, false, false],
    [500, true, false],
    [503, true, false],
  ])('with status %i is worth a repetition: %s, and comes from stale state: %s', (status, retryable, stale) => {
    const error = new KubeError(status, 'Any', 'any');
    expect([error.retryable, error.stale]).toEqual([retryable, stale]);
    expect(isNotFound(error)).toBe(status === 404);
  });

  test('has the reason, message, causes and pause of the answer', () => {
    const details = { causes: [{ field: 'spec.x', message: 'Required value' }, { message: 'whole' }, {}], retryAfterSeconds: 3 };
    const error = from(422, { reason: 'Invalid', message: 'it is invalid', details });
    expect(error).toMatchObject({ status: 422, reason: 'Invalid', message: 'it is invalid', retryAfterSeconds: 3, name: 'KubeError' });
    expect(error.causes).toEqual([{ field: 'spec.x', message: 'Required value' }, { message: 'whole' }, { message: '' }]);
  });

  test.each([
    [401, 'Unauthorized'],
    [404, 'NotFound'],
    [403, 'Unknown'],
    [499, 'Unknown'],
    [500, 'InternalError'],
    [502, 'InternalError'],
  ])('with status %i and no reason is %s', (status, reason) => {
    expect(from(status, '<html>')).toMatchObject({ status, reason, message: `GET /x answered HTTP ${status}`, causes: [] });
    expect(from(status, { reason: '' }).reason).toBe(reason);
  });

  test.each([
    ['spec.x: Invalid value: "a \\"secret\\": b": must be short', 'spec.x: Invalid value: must be short'],
    ['spec.x: Invalid value: {"a":"secret: b"}: must be text', 'spec.x: Invalid value: must be text'],
    ['spec.x: Invalid value: 12345: must be less', 'spec.x: Invalid value: must be less'],
    ['a: Invalid value: "s": x, b: Invalid value: "t": y', 'a: Invalid value: x, b: Invalid value: y'],
  ])('does not repeat the refused value of %s', (message, said) => {
    const error = from(422, { message, details: { causes: [{ message }] } });
    expect([error.message, error.causes[0]?.message]).toEqual([said, said]);
  });

  test('has a message of bounded length', () => {
    expect(from(422, { message: 'x'.repeat(10_000) }).message).toHaveLength(2_000);
  });

  test.each([
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
    [Object.assign(new Error('x'), { code: 7 }), 'no answer'],
    [undefined, 'no answer'],
  ])('that could not be reached names the cause: %s', (cause, words) => {
    const error = KubeError.unreachable('GET /x', cause);
    expect(error).toMatchObject({
      status: 0,
      reason: 'Unreachable',
      message: `the Kubernetes API could not be reached (${words}): GET /x`,
    });
    expect(error.cause).toBe(cause);
    expect(error.retryable).toBe(true);
  });

  test('is found only among errors of the Kubernetes API', () => {
    expect(isNotFound(Object.assign(new Error(''), { status: 404 }))).toBe(false);
    expect(isNotFound(undefined)).toBe(false);
  });
});
