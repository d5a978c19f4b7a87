import { type Command, Option } from 'commander';
import { adminApi, dataOf } from '../../admin-api.ts';
import { Failure } from '../../failure.ts';
import { oneLine } from '../../output/text.ts';
import { tenantPage, tenantTable } from '../../tenants/show.ts';
import { allTenants, type Filter, watchTenants } from '../../tenants/watch.ts';
import { action, examples, type WorkplaceOf } from '../action.ts';
import { type FilterOptions, filtering, filterOf } from './options.ts';

interface ListOptions extends FilterOptions {
  readonly sort?: NonNullable<Filter['sort']>;
}

export function readCommands(tenants: Command, workplaceOf: WorkplaceOf): void {
  filtering(tenants.command('list').alias('ls'))
    .description('List tenants.')
    .addOption(
      new Option('--sort <field>', 'order; with - descending').choices(['name', '-name', 'createdAt', '-createdAt']).default('name'),
    )
    .addHelpText(
      'after',
      examples(
        'tenantry tenants list',
        'tenantry tenants list --phase Degraded',
        'tenantry tenants list -l tier=gold --sort -createdAt --output json',
      ),
    )
    .action(
      action<ListOptions, []>(workplaceOf, async (workplace, options) => {
        const found = await allTenants(adminApi(workplace), {
          ...filterOf(options),
          ...(options.sort === undefined ? {} : { sort: options.sort }),
        });
        workplace.printer.result(found, () => tenantTable(found, workplace.terminal.now()));
      }),
    );

  tenants
    .command('get')
    .argument('<name>')
    .description('Show a tenant with its conditions, domains and recent events.')
    .addHelpText('after', examples('tenantry tenants get acme', 'tenantry tenants get acme --output json | jq -r .status.endpoints.mcp'))
    .action(
      action<object, [string]>(workplaceOf, async (workplace, _options, name) => {
        const tenant = await dataOf(adminApi(workplace).GET('/admin/tenants/{name}', { params: { path: { name } } }));
        workplace.printer.result(tenant, () => tenantPage(tenant, workplace.terminal.now()));
      }),
    );

  filtering(tenants.command('watch'))
    .argument('[name]', 'one tenant; all when left out')
    .description('Show changes as they happen, until Ctrl-C.')
    .addHelpText(
      'after',
      examples('tenantry tenants watch', 'tenantry tenants watch acme', 'tenantry tenants watch --phase Degraded --output json'),
    )
    .action(
      action<FilterOptions, [string | undefined]>(workplaceOf, async (workplace, options, name) => {
        const api = adminApi(workplace);
        if (name !== undefined) await dataOf(api.GET('/admin/tenants/{name}', { params: { path: { name } } }));
        await watchTenants(workplace, async () => {
          const found = await allTenants(api, filterOf(options));
          return name === undefined ? found : found.filter((tenant) => tenant.name === name);
        });
      }),
    );

  tenants
    .command('connect')
    .argument('<name>')
    .description('Print what to paste into an LLM client.')
    .option('--client <name>', 'only this client, such as "Claude Code"')
    .addHelpText(
      'after',
      examples(
        'tenantry tenants connect acme',
        'tenantry tenants connect acme --client cursor',
        'tenantry tenants connect acme --output json | jq -r .mcp',
      ),
    )
    .action(
      action<{ client?: string }, [string]>(workplaceOf, async (workplace, options, name) => {
        const connection = await dataOf(adminApi(workplace).GET('/admin/tenants/{name}/connect', { params: { path: { name } } }));
        const wanted = (text: string): string => text.toLowerCase().replaceAll(/[\s-]/g, '');
        const clients = connection.clients.filter(
          ({ client }) => options.client === undefined || wanted(client) === wanted(options.client),
        );
        if (clients.length === 0)
          throw new Failure('notFound', `There is nothing for ${options.client}.`, {
            remedy: `There is: ${connection.clients.map(({ client }) => client).join(', ')}.`,
          });
        const shown = { ...connection, clients };
        workplace.printer.result(shown, () =>
          [
            `MCP endpoint: ${oneLine(connection.mcp)}\n`,
            ...clients.map(({ client, where, text }) => `${client} (${where}):\n${text.replace(/^/gm, '    ')}\n`),
          ].join('\n'),
        );
      }),
    );
}
