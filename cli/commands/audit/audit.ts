import type { Command } from 'commander';
import type { InvocationOf } from '../action.ts';
import { exportCommand } from './export.ts';
import { listCommand } from './list.ts';
import { verifyCommand } from './verify.ts';

/** `tenantry audit ...`: what was done, by whom, and whether the record of it is whole. */
export function auditCommands(program: Command, invocationOf: InvocationOf): void {
  const audit = program.command('audit').description('What was done, by whom, and whether the record of it is whole.');
  listCommand(audit, invocationOf);
  verifyCommand(audit, invocationOf);
  exportCommand(audit, invocationOf);
}
