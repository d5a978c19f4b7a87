import { Problem } from '../../problems/problem.ts';
import { challenge } from '../http/bearer.ts';

/** 401 with a challenge. `reason` is the fault of a token that was sent. */
export function unauthenticated(detail: string, reason?: string): Problem {
  const parameters: Record<string, string> = reason === undefined ? {} : { error: 'invalid_token', error_description: reason };
  return new Problem('unauthenticated', detail, { headers: { 'www-authenticate': challenge('tenantry-admin', parameters) } });
}
