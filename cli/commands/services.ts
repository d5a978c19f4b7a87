import type { Command } from 'commander';
import type { Schemas } from '../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../admin-api.ts';
import { table } from '../output/table.ts';
import { action, examples, type InvocationOf } from './action.ts';
import { type Forcing, forced, forcing } from './tenants/options.ts';

type Service = Schemas['Service'];

const tableOf = (services: readonly Service[]): string =>
  table(services, {
    SERVICE: ({ name }) => name,
    ENABLED: ({ enabled }) => (enabled ? 'yes' : 'no'),
    DEFAULT: (service) => (service.default ? 'yes' : 'no'),
    DESCRIPTION: ({ title, description }) => title ?? description ?? '',
  });

/** `tenantry services ...`: switches a tenant's services on and off. */
export function serviceCommands(program: Command, invocationOf: InvocationOf): void {
  const services = program.command('services').description('Switch services of a tenant on and off.');

  services
    .command('list')
    .argument('<tenant>')
    .description('List the services of a tenant.')
    .addHelpText('after', examples('tenantry services list acme'))
    .action(
      action<object, [string]>(invocationOf, async (invocation, _options, name) => {
        const { items } = await bodyOf(adminApi(invocation).GET('/admin/tenants/{name}/services', { params: { path: { name } } }));
        invocation.printer.list(items, `The template of ${name} has no services to switch.`, () => tableOf(items));
      }),
    );

  for (const [verb, enabled, description] of [
    ['enable', true, 'Switch a service on.'],
    ['disable', false, 'Switch a service off: its tools and its part of the API are gone until it is on again.'],
  ] as const) {
    forcing(services.command(verb))
      .argument('<tenant>')
      .argument('<service>')
      .description(description)
      .addHelpText('after', examples(`tenantry services ${verb} acme comments`))
      .action(
        action<Forcing, [string, string]>(invocationOf, async (invocation, options, name, service) => {
          const api = adminApi(invocation);
          const state = await bodyOf(
            api.PUT('/admin/tenants/{name}/services/{service}', {
              params: { path: { name, service }, query: forced(options) },
              body: { enabled },
            }),
          );
          invocation.printer.result(state, () => tableOf([state]));
        }),
      );
  }
}
