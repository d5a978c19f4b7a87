import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Schemas } from '../../control-plane/client/client.ts';
import { type ApiKeyScope, apiKeyScopes } from '../../crds/api-keys.ts';
import { adminApi, bodyOf } from '../admin-api.ts';
import { table } from '../output/table.ts';
import { ago } from '../output/text.ts';
import { action, examples, type InvocationOf } from './action.ts';
import { collect } from './tenants/options.ts';

type ApiKey = Schemas['ApiKey'];

const tableOf = (keys: readonly ApiKey[], now: Date): string =>
  table(keys, {
    ID: ({ id }) => id,
    NAME: ({ name }) => name,
    SCOPES: ({ scopes: may }) => may.join(','),
    AGE: ({ createdAt }) => ago(createdAt, now),
    'LAST USED': ({ lastUsedAt }) => (lastUsedAt === undefined ? 'never' : `${ago(lastUsedAt, now)} ago`),
    EXPIRES: ({ expiresAt }) => expiresAt?.slice(0, 10) ?? 'never',
  });

/** Parses a time, or a span from now such as 90d or 12h. Returns a function, because only the command knows the current time. */
function expiry(text: string): (now: Date) => string {
  const span = /^(\d{1,5})(h|d)$/.exec(text);
  if (span !== null) return (now) => new Date(now.getTime() + Number(span[1]) * (span[2] === 'd' ? 86_400_000 : 3_600_000)).toISOString();
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new InvalidArgumentError('It is a span such as 90d or 12h, or a date such as 2027-01-31.');
  return () => new Date(time).toISOString();
}

interface CreateOptions {
  readonly name: string;
  readonly scope?: readonly ApiKeyScope[];
  readonly expires?: (now: Date) => string;
}

/** `tenantry keys ...`: API keys for machines. */
export function keyCommands(program: Command, invocationOf: InvocationOf): void {
  const keys = program.command('keys').description('API keys of a tenant, for machines.');

  keys
    .command('list')
    .argument('<tenant>')
    .description('List the API keys of a tenant by their public part, with their last use.')
    .addHelpText('after', examples('tenantry keys list acme'))
    .action(
      action<object, [string]>(invocationOf, async (invocation, _options, name) => {
        const { items } = await bodyOf(adminApi(invocation).GET('/admin/tenants/{name}/api-keys', { params: { path: { name } } }));
        invocation.printer.list(items, `${name} has no API keys. Make one: tenantry keys create ${name} --name <what for>`, () =>
          tableOf(items, invocation.terminal.now()),
        );
      }),
    );

  keys
    .command('create')
    .argument('<tenant>')
    .description('Create an API key. It is printed this once and kept nowhere.')
    .requiredOption('--name <text>', 'what it is for')
    .addOption(
      new Option('--scope <scope>', `what it may do (${apiKeyScopes.join(', ')}); several times for several; mcp when left out`).argParser(
        (value: string, previous: readonly ApiKeyScope[] | undefined) => {
          if (!(apiKeyScopes as readonly string[]).includes(value))
            throw new InvalidArgumentError(`There are: ${apiKeyScopes.join(', ')}.`);
          return collect(value, previous) as ApiKeyScope[];
        },
      ),
    )
    .addOption(new Option('--expires <when>', 'when it stops working: 90d, 12h or a date; never when left out').argParser(expiry))
    .addHelpText(
      'after',
      examples('tenantry keys create acme --name ci', 'KEY=$(tenantry keys create acme --name export --scope api:read --expires 90d)'),
    )
    .action(
      action<CreateOptions, [string]>(invocationOf, async (invocation, options, name) => {
        const { printer, terminal } = invocation;
        const body = {
          name: options.name,
          scopes: [...(options.scope ?? (['mcp'] as const))],
          ...(options.expires === undefined ? {} : { expiresAt: options.expires(terminal.now()) }),
        };
        const created = await bodyOf(adminApi(invocation).POST('/admin/tenants/{name}/api-keys', { params: { path: { name } }, body }));
        printer.note(`Key ${created.id} (${created.scopes.join(', ')}) of ${name}. It is shown this once; it works within seconds.`);
        printer.result(created, () => `${created.key}\n`);
      }),
    );

  keys
    .command('revoke')
    .argument('<tenant>')
    .argument('<id>', 'public part of the key, as `keys list` shows it')
    .description('Revoke an API key: it stops working within seconds.')
    .addHelpText('after', examples('tenantry keys revoke acme 3mX9aQ7bK2Lp'))
    .action(
      action<object, [string, string]>(invocationOf, async (invocation, _options, name, id) => {
        await bodyOf(adminApi(invocation).DELETE('/admin/tenants/{name}/api-keys/{id}', { params: { path: { name, id } } }));
        invocation.printer.done({ tenant: name, id, revoked: true }, `Key ${id} of ${name} is revoked.`);
      }),
    );
}
