import type { Command } from 'commander';
import type { InvocationOf } from '../action.ts';
import { exportCommand } from './export.ts';
import { listCommand } from './list.ts';
import { verifyCommand } from './verify.ts';

/** `tenantry audit ...`: lists, verifies and exports audit records. */
export function auditCommands(program: Command, invocationOf: InvocationOf): void {
  const audit = program.command('audit').description('List, verify and export audit records.');
  listCommand(audit, invocationOf);
  verifyCommand(audit, invocationOf);
  exportCommand(audit, invocationOf);
}
