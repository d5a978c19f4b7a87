import type { Command } from 'commander';
import type { WorkplaceOf } from '../action.ts';
import { actionCommands } from './actions.ts';
import { createCommand } from './create.ts';
import { deleteCommand } from './delete.ts';
import { readCommands } from './read.ts';
import { updateCommand } from './update.ts';

/** `tenantry tenants ...` */
export function tenantCommands(program: Command, workplaceOf: WorkplaceOf): void {
  const tenants = program.command('tenants').alias('tenant').alias('tn').description('Make tenants and look after them.');
  createCommand(tenants, workplaceOf);
  readCommands(tenants, workplaceOf);
  updateCommand(tenants, workplaceOf);
  deleteCommand(tenants, workplaceOf);
  actionCommands(tenants, workplaceOf);
}
