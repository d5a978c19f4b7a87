import { expect, test } from 'vitest';
import { containsRange, isCidr } from '../../../crds/address-ranges.ts';

test.each(['0.0.0.0/0', '10.0.0.0/32', '::/0', 'fd00::/128', '10.1.2.3/9'])('%s is a range', (text) => {
  expect(isCidr(text)).toBe(true);
});

test.each([
  '10.0.0.0',
  '10.0.0.0/',
  '10.0.0.0/33',
  'fd00::/129',
  '10.0.0.0/8/8',
  '10.0.0/8',
  '/8',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0.0/1e1',
])('%s is no range', (text) => {
  expect(isCidr(text)).toBe(false);
});

test.each([
  ['169.254.0.0/16', '169.254.169.254/32', true],
  ['169.254.0.0/16', '169.254.0.0/16', true],
  ['169.254.0.0/16', '169.254.0.0/15', false],
  ['169.254.0.0/16', '169.255.0.0/32', false],
  ['0.0.0.0/0', '10.0.0.0/8', true],
  ['0.0.0.0/0', 'fd00::/8', false],
  ['::/0', '10.0.0.0/8', false],
  ['fe80::/10', 'fe80::1/128', true],
  ['fe80::/10', 'fec0::/128', false],
])('%s contains %s: %s', (outer, inner, contained) => {
  expect(containsRange(outer, inner)).toBe(contained);
});
