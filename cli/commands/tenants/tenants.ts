import type { Command } from 'commander';
import type { InvocationOf } from '../action.ts';
import { actionCommands } from './actions.ts';
import { createCommand } from './create.ts';
import { deleteCommand } from './delete.ts';
import { readCommands } from './read.ts';
import { updateCommand } from './update.ts';

/** `tenantry tenants ...` */
export function tenantCommands(program: Command, invocationOf: InvocationOf): void {
  const tenants = program.command('tenants').alias('tenant').alias('tn').description('Make tenants and look after them.');
  createCommand(tenants, invocationOf);
  readCommands(tenants, invocationOf);
  updateCommand(tenants, invocationOf);
  deleteCommand(tenants, invocationOf);
  actionCommands(tenants, invocationOf);
}
