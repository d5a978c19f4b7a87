import type { Command } from 'commander';
import type { Schemas } from '../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../admin-api.ts';
import { fieldsOf, readDocument } from '../documents.ts';
import { Failure } from '../failure.ts';
import { table } from '../output/table.ts';
import { ago } from '../output/text.ts';
import { action, examples, type InvocationOf } from './action.ts';
import { type Forcing, forced, forcing } from './tenants/options.ts';

type Template = Schemas['Template'];

const tableOf = (templates: readonly Template[], now: Date): string =>
  table(templates, {
    NAME: ({ name }) => name,
    REVISION: ({ revision }) => revision,
    AGE: ({ createdAt }) => ago(createdAt, now),
    TITLE: ({ spec }) => spec.displayName ?? '',
  });

interface ApplyOptions extends Forcing {
  readonly file: string;
  readonly dryRun?: boolean;
}

/** `tenantry templates ...`: StackTemplates and their revisions. */
export function templateCommands(program: Command, invocationOf: InvocationOf): void {
  const templates = program.command('templates').description('What tenants are made of.');

  templates
    .command('list')
    .description('List templates.')
    .addHelpText('after', examples('tenantry templates list'))
    .action(
      action<object, []>(invocationOf, async (invocation) => {
        const { items } = await bodyOf(adminApi(invocation).GET('/admin/templates'));
        invocation.printer.list(items, 'There are no templates. Apply one: tenantry templates apply -f <file>', () =>
          tableOf(items, invocation.terminal.now()),
        );
      }),
    );

  templates
    .command('get')
    .argument('<name>')
    .description('Show a template.')
    .addHelpText('after', examples('tenantry templates get toolbridge --output yaml'))
    .action(
      action<object, [string]>(invocationOf, async (invocation, _options, name) => {
        const template = await bodyOf(adminApi(invocation).GET('/admin/templates/{name}', { params: { path: { name } } }));
        invocation.printer.result(template, () => tableOf([template], invocation.terminal.now()));
      }),
    );

  forcing(templates.command('apply'))
    .description('Create or replace a template. Whoever may do that decides which code runs.')
    .requiredOption('-f, --file <file>', 'a StackTemplate in YAML or JSON; - reads standard input')
    .option('--dry-run', 'check everything and store nothing')
    .addHelpText('after', examples('tenantry templates apply -f template.yaml --dry-run', 'tenantry templates apply -f template.yaml'))
    .action(
      action<ApplyOptions, []>(invocationOf, async (invocation, options) => {
        const { labels: _labels, name, ...spec } = fieldsOf(await readDocument(invocation.terminal, options.file), 'StackTemplate');
        if (typeof name !== 'string')
          throw new Failure('usage', 'The template has no name.', { remedy: 'Give a StackTemplate with metadata.name.' });
        const query = {
          ...forced(options),
          ...(options.dryRun === true ? { dryRun: true as const } : {}),
        };
        // The control plane validates the fields and reports each fault with a pointer.
        const body = spec as unknown as Template['spec'];
        const applied = await bodyOf(adminApi(invocation).PUT('/admin/templates/{name}', { params: { path: { name }, query }, body }));
        if (options.dryRun === true) invocation.printer.note('Nothing was stored: this is what it would be.');
        invocation.printer.result(applied, () => tableOf([applied], invocation.terminal.now()));
      }),
    );

  templates
    .command('revisions')
    .argument('<name>')
    .description('List the revisions of a template; a tenant stays with one by template.revision.')
    .addHelpText('after', examples('tenantry templates revisions toolbridge'))
    .action(
      action<object, [string]>(invocationOf, async (invocation, _options, name) => {
        const { items } = await bodyOf(adminApi(invocation).GET('/admin/templates/{name}/revisions', { params: { path: { name } } }));
        const now = invocation.terminal.now();
        invocation.printer.result(items, () =>
          table(items, {
            REVISION: ({ revision }) => revision,
            CURRENT: ({ current }) => (current ? 'yes' : ''),
            AGE: ({ createdAt }) => ago(createdAt, now),
          }),
        );
      }),
    );
}
