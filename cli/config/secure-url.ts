import { isIPv4 } from 'node:net';

/** Whether the host is this very machine, by name or address; any other name than `localhost` could be made to lead elsewhere. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || /^\[?::1\]?$/.test(hostname) || (isIPv4(hostname) && hostname.startsWith('127.'));
}

/** Whether nobody on the way can read or change what is sent there: over TLS, or within this machine. */
export function isSecure({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname));
}

/** The same of a text, which may be no URL at all. */
export function isSecureUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && isSecure(url);
}

/** What every URL must be that something secret is sent to, or that decides what is shown, in words that go on from its name. */
export const secureOnly = 'must be https; plain http is for localhost and 127.0.0.1 alone';
