import { describe, expect, test } from 'vitest';
import { formatCpu, formatMemory, parseQuantity, readQuantity } from '../../../crds/quantity.ts';

describe('a quantity', () => {
  test.each([
    ['0', 0],
    ['2', 2],
    ['1.5', 1.5],
    ['1e3', 1e3],
    ['250m', 0.25],
    ['3k', 3e3],
    ['3M', 3e6],
    ['3G', 3e9],
    ['3T', 3e12],
    ['3P', 3e15],
    ['3E', 3e18],
    ['3Ki', 3_072],
    ['3Mi', 3_145_728],
    ['3Gi', 3_221_225_472],
    ['3Ti', 3_298_534_883_328],
    ['3Pi', 3_377_699_720_527_872],
    ['3Ei', 3 * 1024 ** 6],
  ])('%s is %d', (text, value) => {
    expect(readQuantity(text)).toBeCloseTo(value);
    expect(parseQuantity(text)).toBe(readQuantity(text));
  });

  test.each(['', 'm', '1x', '1 Mi', '-1', '1.', '.5', '1mi', 'Infinity', '1Mi\n'])('%j is none', (text) => {
    expect(readQuantity(text)).toBeUndefined();
    expect(() => parseQuantity(text)).toThrow('is not a quantity');
  });

  test('is rounded up when it is written', () => {
    expect([0.25, 1, 0.0001, 1.0001].map(formatCpu)).toEqual(['250m', '1000m', '1m', '1001m']);
    expect([2 ** 20, 2 ** 20 + 1, 1, 2 ** 31].map(formatMemory)).toEqual(['1Mi', '2Mi', '1Mi', '2048Mi']);
  });
});
