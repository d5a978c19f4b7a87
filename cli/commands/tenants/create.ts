import { randomUUID } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { Schemas } from '../../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { fieldsOf, pairs, readDocument, scalar } from '../../documents.ts';
import { Failure } from '../../failure.ts';
import type { Invocation } from '../../invocation.ts';
import { tenantPage, tenantTable } from '../../tenants/show.ts';
import { isReady, waitFor } from '../../tenants/wait.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { collect, type DeletionPolicy, deletionPolicies, type Waiting, waiting } from './options.ts';

interface CreateOptions extends Waiting {
  readonly file?: string;
  readonly template?: string;
  readonly displayName?: string;
  readonly organization?: string;
  readonly newOrganization?: string;
  readonly adminEmail?: string;
  readonly parameter?: readonly string[];
  readonly label?: readonly string[];
  readonly data?: DeletionPolicy;
  readonly dryRun?: boolean;
  readonly idempotencyKey?: string;
}

export function createCommand(tenants: Command, invocationOf: InvocationOf): void {
  waiting(tenants.command('create'), 'show conditions as they come, until the tenant is Ready')
    .argument('[name]', 'name of the tenant; may stand in the file instead')
    .description('Create a tenant.')
    .option(
      '-f, --file <file>',
      'YAML or JSON: a Tenant as kubectl takes it, or the fields of its spec with a name; - reads standard input',
    )
    .option('--template <name>', 'StackTemplate of the tenant')
    .option('--display-name <text>', 'name shown to people and to LLM clients')
    .option('--organization <id>', 'WorkOS organization whose members use it (org_...)')
    .option('--new-organization <name>', 'create an organization at WorkOS for it')
    .option('--admin-email <address>', 'who is invited as its first administrator, with --new-organization')
    .option('-p, --parameter <name=value>', 'parameter of the template; several times for several', collect)
    .option('--label <name=value>', 'label; several times for several', collect)
    .addOption(new Option('--data <policy>', 'what deleting the tenant does to its data').choices(deletionPolicies))
    .option('--dry-run', 'check everything and store nothing')
    .option('--idempotency-key <text>', 'makes it safe to repeat: the same key gives the same tenant')
    .addHelpText(
      'after',
      examples(
        'tenantry tenants create acme --template toolbridge --wait',
        'tenantry tenants create acme --template toolbridge --new-organization "Acme Inc." --admin-email ada@acme.example',
        'tenantry tenants create -f tenant.yaml --dry-run',
        'tenantry tenants create globex --template toolbridge -p logLevel=debug --label tier=gold --data delete',
      ),
    )
    .action(
      action<CreateOptions, [string | undefined]>(invocationOf, async (invocation, options, name) => {
        const { printer, terminal } = invocation;
        const body = await newTenant(invocation, options, name);
        const api = adminApi(invocation);
        const dryRun = options.dryRun === true;
        const created = await bodyOf(
          api.POST('/admin/tenants', {
            params: { query: dryRun ? { dryRun } : {}, header: { 'Idempotency-Key': options.idempotencyKey ?? randomUUID() } },
            body,
          }),
        );
        if (dryRun) printer.note('Nothing was stored: this is what it would be.');
        if (options.wait !== true || dryRun) {
          printer.result(created, () => tenantPage(created, terminal.now()));
          return;
        }
        const ready = await waitFor(invocation, api, created.name, isReady, { seconds: options.timeout, goal: 'is not Ready' });
        if (ready !== undefined) printer.result(ready, () => tenantTable([ready], terminal.now()));
      }),
    );
}

async function newTenant({ terminal }: Invocation, options: CreateOptions, name: string | undefined): Promise<Schemas['NewTenant']> {
  const written = options.file === undefined ? {} : fieldsOf(await readDocument(terminal, options.file), 'Tenant');
  const { adminEmail, newOrganization } = options;
  if (adminEmail !== undefined && newOrganization === undefined) throw new Failure('usage', '--admin-email goes with --new-organization.');
  const fields = {
    ...written,
    ...(name === undefined ? {} : { name }),
    ...(options.template === undefined ? {} : { template: { name: options.template } }),
    ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
    ...(options.organization === undefined ? {} : { organizationId: options.organization }),
    ...(newOrganization === undefined
      ? {}
      : { organization: { name: newOrganization, ...(adminEmail === undefined ? {} : { admin: { email: adminEmail } }) } }),
    ...(options.parameter === undefined
      ? {}
      : {
          parameters: Object.fromEntries(
            Object.entries(pairs(options.parameter, '--parameter')).map(([key, value]) => [key, scalar(value)]),
          ),
        }),
    ...(options.label === undefined ? {} : { labels: pairs(options.label, '--label') }),
    ...(options.data === undefined ? {} : { deletionPolicy: options.data }),
  };
  if (!('name' in fields))
    throw new Failure('usage', 'The tenant has no name.', {
      remedy: 'tenantry tenants create <name> --template <template>, or a file with one.',
    });
  // The control plane validates the fields and reports each fault with a pointer.
  return fields as unknown as Schemas['NewTenant'];
}
