import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { table } from '../output/table.ts';
import { action, examples, type InvocationOf } from './action.ts';

/** `tenantry context list|use|remove` */
export function contextCommand(program: Command, invocationOf: InvocationOf): void {
  const contexts = program.command('context').description('Control planes you work with; `tenantry login` adds one.');

  contexts
    .command('list')
    .description('List contexts.')
    .addHelpText('after', examples('tenantry context list'))
    .action(
      action<object, []>(invocationOf, ({ contexts: kept, printer }) => {
        const rows = Object.entries(kept.all()).map(([name, { url, session }]) => ({
          name,
          url,
          current: name === kept.current,
          user: session?.email ?? (session === undefined ? '' : 'signed in'),
        }));
        printer.list(rows, 'There are no contexts. Make one: tenantry login <url of the control plane>', () =>
          table(rows, { '': (row) => (row.current ? '*' : ''), NAME: (row) => row.name, URL: (row) => row.url, USER: (row) => row.user }),
        );
      }),
    );

  contexts
    .command('use')
    .argument('<name>')
    .description('Make a context the current one.')
    .addHelpText('after', examples('tenantry context use staging'))
    .action(
      action<object, [string]>(invocationOf, ({ contexts: kept, printer }, _options, name) => {
        known(kept.all(), name);
        kept.select(name);
        printer.done({ name, url: kept.find(name)?.url, current: true }, `Commands speak to ${kept.find(name)?.url} from now on.`);
      }),
    );

  contexts
    .command('remove')
    .argument('<name>')
    .description('Forget a context and its session.')
    .addHelpText('after', examples('tenantry context remove staging'))
    .action(
      action<object, [string]>(invocationOf, ({ contexts: kept, printer }, _options, name) => {
        known(kept.all(), name);
        kept.remove(name);
        printer.done({ name, removed: true }, `Context ${name} is forgotten.`);
      }),
    );
}

function known(all: Readonly<Record<string, unknown>>, name: string): void {
  if (Object.hasOwn(all, name)) return;
  throw new Failure('notFound', `There is no context ${name}.`, { remedy: `There are: ${Object.keys(all).join(', ') || 'none'}.` });
}
