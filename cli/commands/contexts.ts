import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { table } from '../output/table.ts';
import type { Workplace } from '../workplace.ts';

/** `tenantry context list|use|remove` */
export function contextCommand(program: Command, workplaceOf: (command: Command) => Workplace): void {
  const contexts = program.command('context').description('Control planes you work with; `tenantry login` adds one.');

  contexts
    .command('list')
    .description('List contexts.')
    .addHelpText('after', '\nExample:\n  tenantry context list')
    .action((_options: object, command: Command) => {
      const { contexts: kept, printer } = workplaceOf(command);
      const rows = Object.entries(kept.all()).map(([name, { url, session }]) => ({
        name,
        url,
        current: name === kept.current,
        user: session?.email ?? (session === undefined ? '' : 'signed in'),
      }));
      printer.result(rows, () =>
        table(rows, { '': (row) => (row.current ? '*' : ''), NAME: (row) => row.name, URL: (row) => row.url, USER: (row) => row.user }),
      );
    });

  contexts
    .command('use')
    .argument('<name>')
    .description('Make a context the current one.')
    .addHelpText('after', '\nExample:\n  tenantry context use staging')
    .action((name: string, _options: object, command: Command) => {
      const { contexts: kept } = workplaceOf(command);
      known(kept.all(), name);
      kept.select(name);
    });

  contexts
    .command('remove')
    .argument('<name>')
    .description('Forget a context and its session.')
    .addHelpText('after', '\nExample:\n  tenantry context remove staging')
    .action((name: string, _options: object, command: Command) => {
      const { contexts: kept } = workplaceOf(command);
      known(kept.all(), name);
      kept.remove(name);
    });
}

function known(all: Readonly<Record<string, unknown>>, name: string): void {
  if (Object.hasOwn(all, name)) return;
  throw new Failure('notFound', `There is no context ${name}.`, { remedy: `There are: ${Object.keys(all).join(', ') || 'none'}.` });
}
