import { type Command, Option } from 'commander';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { Failure } from '../../failure.ts';
import { oneLine } from '../../output/text.ts';
import { tenantPage, tenantTable } from '../../tenants/show.ts';
import { allTenants, type Filter, watchTenants } from '../../tenants/watch.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { choicesOf } from '../choices.ts';
import { type FilterOptions, filtering, filterOf } from './options.ts';

const sortOrders = choicesOf<NonNullable<Filter['sort']>>({ name: true, '-name': true, createdAt: true, '-createdAt': true });

interface ListOptions extends FilterOptions {
  readonly sort?: NonNullable<Filter['sort']>;
}

export function readCommands(tenants: Command, invocationOf: InvocationOf): void {
  filtering(tenants.command('list').alias('ls'))
    .description('List tenants.')
    .addOption(new Option('--sort <field>', 'order; with - descending').choices(sortOrders).default('name'))
    .addHelpText(
      'after',
      examples(
        'tenantry tenants list',
        'tenantry tenants list --phase Degraded',
        'tenantry tenants list -l tier=gold --sort -createdAt --output json',
      ),
    )
    .action(
      action<ListOptions, []>(invocationOf, async (invocation, options) => {
        const found = await allTenants(adminApi(invocation), {
          ...filterOf(options),
          ...(options.sort === undefined ? {} : { sort: options.sort }),
        });
        const none =
          Object.keys(filterOf(options)).length === 0
            ? 'There are no tenants. Make one: tenantry tenants create --help'
            : 'There is no such tenant.';
        invocation.printer.list(found, none, () => tenantTable(found, invocation.terminal.now()));
      }),
    );

  tenants
    .command('get')
    .argument('<name>')
    .description('Show a tenant with its conditions, domains and recent events.')
    .addHelpText('after', examples('tenantry tenants get acme', 'tenantry tenants get acme --output json | jq -r .status.endpoints.mcp'))
    .action(
      action<object, [string]>(invocationOf, async (invocation, _options, name) => {
        const tenant = await bodyOf(adminApi(invocation).GET('/admin/tenants/{name}', { params: { path: { name } } }));
        invocation.printer.result(tenant, () => tenantPage(tenant, invocation.terminal.now()));
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
      action<FilterOptions, [string | undefined]>(invocationOf, async (invocation, options, name) => {
        const api = adminApi(invocation);
        if (name !== undefined) await bodyOf(api.GET('/admin/tenants/{name}', { params: { path: { name } } }));
        await watchTenants(invocation, async () => {
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
      action<{ client?: string }, [string]>(invocationOf, async (invocation, options, name) => {
        const connection = await bodyOf(adminApi(invocation).GET('/admin/tenants/{name}/connect', { params: { path: { name } } }));
        const wanted = (text: string): string => text.toLowerCase().replaceAll(/[\s-]/g, '');
        const clients = connection.clients.filter(
          ({ client }) => options.client === undefined || wanted(client) === wanted(options.client),
        );
        if (clients.length === 0)
          throw new Failure('notFound', `There is nothing for ${options.client}.`, {
            remedy: `There is: ${connection.clients.map(({ client }) => client).join(', ')}.`,
          });
        const shown = { ...connection, clients };
        invocation.printer.result(shown, () =>
          [
            `MCP endpoint: ${oneLine(connection.mcp)}\n`,
            ...clients.map(({ client, where, text }) => `${client} (${where}):\n${text.replace(/^/gm, '    ')}\n`),
          ].join('\n'),
        );
      }),
    );
}
