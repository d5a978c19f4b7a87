import { BlockList, isIP } from 'node:net';

/**
 * Addresses at which clouds give a node's credentials to every process on it: link-local (AWS, Azure, Google, Oracle and others), Alibaba,
 * Azure's platform, an earlier address of Oracle, and the IPv6 addresses of AWS, Google and OpenStack, including link-local ones.
 */
export const metadataRanges: readonly string[] = [
  '169.254.0.0/16',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fe80::/10',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
];

/** Whether the text is a range of addresses in CIDR notation, such as 203.0.113.0/24. */
export function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const version = isIP(address);
  return version !== 0 && rest.length === 0 && /^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128);
}

/** Whether `outer` contains every address of `inner`; both are ranges. */
export function containsRange(outer: string, inner: string): boolean {
  const [outerAddress = '', outerBits = ''] = outer.split('/');
  const [innerAddress = '', innerBits = ''] = inner.split('/');
  if (isIP(outerAddress) !== isIP(innerAddress) || Number(outerBits) > Number(innerBits)) return false;
  const family = isIP(outerAddress) === 4 ? 'ipv4' : 'ipv6';
  const range = new BlockList();
  range.addSubnet(outerAddress, Number(outerBits), family);
  return range.check(innerAddress, family);
}
