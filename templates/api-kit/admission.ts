import { Problem } from '../../problems/problem.ts';
import { accessAt } from '../runtime/access.ts';
import type { Caller } from '../runtime/assertion.ts';
import type { Operation } from './operation.ts';

/**
 * The sidecar has decided already; this is the second lock, for an assertion that a fault there let through.
 * @throws {Problem} 403 when the caller's scopes do not allow the operation.
 */
export function admit(caller: Caller, operation: Operation): void {
  const accesses = [accessAt('mcp', caller.scopes), accessAt('api', caller.scopes)];
  if (accesses.includes('all')) return;
  if (!accesses.includes('read')) throw new Problem('forbidden', 'The assertion allows nothing here.');
  if (operation.method !== 'GET') throw new Problem('forbidden', 'The assertion allows only reading, so nothing was done.');
}
