import type { Command } from 'commander';
import type { Tenant } from '../../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { tenantTable } from '../../tenants/show.ts';
import { isReady, isSettled, isSuspended, type TenantWithEvents, waitFor } from '../../tenants/wait.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { type Forcing, forced, forcing, type Waiting, waiting } from './options.ts';

export function actionCommands(tenants: Command, invocationOf: InvocationOf): void {
  for (const [verb, description, path, goal, told] of [
    [
      'suspend',
      'Stop the pods of a tenant and keep everything else.',
      '/admin/tenants/{name}/suspend',
      'is not suspended',
      'is being suspended',
    ],
    ['resume', 'Start the pods of a suspended tenant again.', '/admin/tenants/{name}/resume', 'is not Ready', 'is being started'],
  ] as const) {
    forcing(waiting(tenants.command(verb), 'wait until it has happened'))
      .argument('<name>')
      .description(description)
      .addHelpText('after', examples(`tenantry tenants ${verb} acme --wait`))
      .action(
        action<Waiting & Forcing, [string]>(invocationOf, async (invocation, options, name) => {
          const api = adminApi(invocation);
          const changed = await bodyOf(api.POST(path, { params: { path: { name }, query: forced(options) } }));
          const reached = verb === 'resume' ? isReady : isSuspended;
          const shown: Tenant =
            (options.wait === true ? await waitFor(invocation, api, name, reached, { seconds: options.timeout, goal }) : undefined) ??
            changed;
          if (options.wait !== true) invocation.printer.note(`${name} ${told}; see: tenantry tenants watch ${name}`);
          invocation.printer.result(shown, () => tenantTable([shown], invocation.terminal.now()));
        }),
      );
  }

  waiting(tenants.command('rotate'), 'wait until the secrets have been replaced')
    .argument('<name>')
    .description('Replace the generated secrets and database passwords of a tenant. The old ones stay valid for a while.')
    .addHelpText('after', examples('tenantry tenants rotate acme --wait'))
    .action(
      action<Waiting, [string]>(invocationOf, async (invocation, options, name) => {
        const api = adminApi(invocation);
        const { rotationRequest, tenant } = await bodyOf(api.POST('/admin/tenants/{name}/rotate', { params: { path: { name } } }));
        const done = (current: TenantWithEvents | undefined): boolean =>
          current?.status.secrets?.rotationRequest === rotationRequest && isSettled(current);
        const shown: Tenant =
          (options.wait === true
            ? await waitFor(invocation, api, name, done, { seconds: options.timeout, goal: 'has not been rotated' })
            : undefined) ?? tenant;
        invocation.printer.note(
          options.wait === true
            ? `The secrets of ${name} have been replaced.`
            : `The operator has been asked to replace the secrets of ${name}.`,
        );
        invocation.printer.result(shown, () => tenantTable([shown], invocation.terminal.now()));
      }),
    );
}
