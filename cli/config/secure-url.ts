import { isIPv4 } from 'node:net';

/** Whether the host is this machine. `localhost` is the only name accepted: other names could resolve to another machine. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || /^\[?::1\]?$/.test(hostname) || (isIPv4(hostname) && hostname.startsWith('127.'));
}

/** Whether traffic to the URL is safe from reading and changing on the network: it uses TLS or stays on this machine. */
export function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** Like `isSecure`, for a text; false if the text is not a URL. */
export function isSecureUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && isSecure(url);
}

/**
 * The rule for URLs that receive secrets or decide which content is shown. The sentence continues after the name of the URL.
 */
export const secureOnly = 'must be https; plain http is for localhost and 127.0.0.1 alone';
