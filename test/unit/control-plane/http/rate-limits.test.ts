import { expect, test } from 'vitest';
import { networkOf } from '../../../../control-plane/http/rate-limits.ts';

test.each([
  ['an IPv4 address', '192.0.2.7', '192.0.2.7'],
  ['an IPv4 address mapped to IPv6', '::ffff:192.0.2.7', '192.0.2.7'],
  ['an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['another IPv6 address of the same site', '2001:db8:1:2::ffff', '2001:db8:1:2::'],
  ['an IPv6 address with a zone', 'fe80::1%eth0', 'fe80::'],
  ['text of a proxy', 'x'.repeat(9_000), 'unknown'],
])('counts the requests of %s by its network', (_name, ip, network) => {
  expect(networkOf(ip)).toBe(network);
});
