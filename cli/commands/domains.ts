import type { Command } from 'commander';
import type { Schemas } from '../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../admin-api.ts';
import { table } from '../output/table.ts';
import { oneLine } from '../output/text.ts';
import { action, examples, type InvocationOf } from './action.ts';
import { type Forcing, forced, forcing } from './tenants/options.ts';

type Domain = Schemas['Domain'];

function shown(domains: readonly Domain[]): string {
  const pending = domains.filter(({ state }) => state === 'Pending');
  const records = pending.map(
    ({ domain, record }) => `  ${oneLine(record.name)}  ${record.type}  "${oneLine(record.value)}"   (for ${oneLine(domain)})\n`,
  );
  return (
    table(domains, {
      DOMAIN: ({ domain }) => domain,
      STATE: ({ state }) => state,
      MCP: ({ mcp }) => mcp ?? '',
      MESSAGE: ({ message }) => message,
    }) +
    (records.length === 0 ? '' : `\nTo enter at the DNS provider, and the domain itself as CNAME or A to the gateway:\n${records.join('')}`)
  );
}

/** `tenantry domains ...`: custom host names of a tenant. */
export function domainCommands(program: Command, invocationOf: InvocationOf): void {
  const domains = program.command('domains').description('Custom host names of a tenant.');

  domains
    .command('list')
    .argument('<tenant>')
    .description('List the domains of a tenant and how far each has come.')
    .addHelpText('after', examples('tenantry domains list acme'))
    .action(
      action<object, [string]>(invocationOf, async (invocation, _options, name) => {
        const { items } = await bodyOf(adminApi(invocation).GET('/admin/tenants/{name}/domains', { params: { path: { name } } }));
        invocation.printer.list(items, `${name} has no domains of its own. Add one: tenantry domains add ${name} <host name>`, () =>
          shown(items),
        );
      }),
    );

  forcing(domains.command('add'))
    .argument('<tenant>')
    .argument('<domain>')
    .description('Add a domain; shows the DNS record that proves it is yours.')
    .addHelpText('after', examples('tenantry domains add acme mcp.acme.com'))
    .action(
      action<Forcing, [string, string]>(invocationOf, async (invocation, options, name, domain) => {
        const added = await bodyOf(
          adminApi(invocation).POST('/admin/tenants/{name}/domains', {
            params: { path: { name }, query: forced(options) },
            body: { domain },
          }),
        );
        invocation.printer.result(added, () => shown([added]));
      }),
    );

  domains
    .command('verify')
    .argument('<tenant>')
    .argument('<domain>')
    .description('Look for the DNS record now instead of in a while.')
    .addHelpText('after', examples('tenantry domains verify acme mcp.acme.com'))
    .action(
      action<object, [string, string]>(invocationOf, async (invocation, _options, name, domain) => {
        const api = adminApi(invocation);
        const asked = await bodyOf(api.POST('/admin/tenants/{name}/domains/{domain}/verify', { params: { path: { name, domain } } }));
        invocation.printer.note(`The operator has been asked to look. See: tenantry domains list ${name}`);
        invocation.printer.result(asked, () => shown([asked]));
      }),
    );

  forcing(domains.command('remove'))
    .argument('<tenant>')
    .argument('<domain>')
    .description('Remove a domain; it stops serving.')
    .addHelpText('after', examples('tenantry domains remove acme mcp.acme.com'))
    .action(
      action<Forcing, [string, string]>(invocationOf, async (invocation, options, name, domain) => {
        await bodyOf(
          adminApi(invocation).DELETE('/admin/tenants/{name}/domains/{domain}', {
            params: { path: { name, domain }, query: forced(options) },
          }),
        );
        invocation.printer.done({ tenant: name, domain, removed: true }, `${domain} is removed from ${name}.`);
      }),
    );
}
