import { randomUUID } from 'node:crypto';

export const requestIdHeader = 'x-request-id';

/** The caller's request id where it is safe to log and to pass on, otherwise a new one. */
export function requestIdOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  const given = headers[requestIdHeader];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
}
