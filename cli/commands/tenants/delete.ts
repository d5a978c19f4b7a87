import { type Command, Option } from 'commander';
import type { Tenant } from '../../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { Failure } from '../../failure.ts';
import type { Invocation } from '../../invocation.ts';
import { oneLine } from '../../output/text.ts';
import { waitFor } from '../../tenants/wait.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { type DeletionPolicy, deletionPolicies, type Waiting, waiting } from './options.ts';

export function deleteCommand(tenants: Command, invocationOf: InvocationOf): void {
  waiting(tenants.command('delete').alias('rm'), 'wait until nothing of it is left')
    .argument('<name>')
    .description('Delete a tenant. What becomes of its data has to be said.')
    .addOption(
      new Option('--data <policy>', 'retain keeps the database, locked; delete drops it with everything in it').choices(deletionPolicies),
    )
    .addHelpText(
      'after',
      examples(
        'tenantry tenants delete acme --data retain',
        'tenantry tenants delete acme --data delete --wait',
        'tenantry tenants delete acme      # asks, on a terminal',
      ),
    )
    .action(
      action<Waiting & { data?: DeletionPolicy }, [string]>(invocationOf, async (invocation, options, name) => {
        const { printer } = invocation;
        const api = adminApi(invocation);
        const before = await bodyOf(api.GET('/admin/tenants/{name}', { params: { path: { name } } }));
        const data = options.data ?? (await askPolicy(invocation, before));
        const deleted = await bodyOf(api.DELETE('/admin/tenants/{name}', { params: { path: { name }, query: { data } } }));
        if (options.wait === true) {
          await waitFor(invocation, api, name, (tenant) => tenant?.uid !== before.uid, {
            seconds: options.timeout,
            goal: 'is still being deleted',
          });
          printer.note(`${name} is gone; its data was ${data === 'delete' ? 'deleted' : 'kept'}.`);
        } else printer.note(`${name} is being deleted; its data is ${data === 'delete' ? 'deleted' : 'kept'}.`);
        printer.result(deleted, () => '');
      }),
    );
}

async function askPolicy({ terminal }: Invocation, tenant: Tenant): Promise<DeletionPolicy> {
  const said = new Failure('usage', `What becomes of the data of ${tenant.name}?`, {
    remedy: 'Say --data retain (the database is kept, locked) or --data delete (it is dropped with everything in it).',
  });
  if (!terminal.interactive) throw said;
  terminal.err(
    `Deleting ${tenant.name} removes its pods, secrets, API keys and URLs.\nIts database${tenant.status.database === undefined ? '' : ` ${oneLine(tenant.status.database.name)}`} can be kept (retain) or dropped with everything in it (delete).\n`,
  );
  const answer = (await terminal.ask('retain, delete, or nothing to leave the tenant as it is: ')).trim();
  if (answer === 'retain' || answer === 'delete') return answer;
  throw new Failure('usage', `${tenant.name} was left as it is.`);
}
