import type { Command } from 'commander';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { fieldsOf, pairs, readDocument, scalar } from '../../documents.ts';
import { Failure } from '../../failure.ts';
import { tenantPage } from '../../tenants/show.ts';
import { isReady, waitFor } from '../../tenants/wait.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { collect, type Forcing, forced, forcing, type Waiting, waiting } from './options.ts';

interface UpdateOptions extends Waiting, Forcing {
  readonly file?: string;
  readonly set?: readonly string[];
  readonly dryRun?: boolean;
}

export function updateCommand(tenants: Command, invocationOf: InvocationOf): void {
  forcing(waiting(tenants.command('update'), 'wait until the tenant is Ready with the change'))
    .argument('<name>')
    .description('Change fields of a tenant; what is not named stays.')
    .option(
      '-f, --file <file>',
      'YAML or JSON merge patch of the fields of its spec, or a Tenant; null removes a field; - reads standard input',
    )
    .option('--set <field=value>', 'one field, dots lead into objects: parameters.logLevel=debug; several times for several', collect)
    .option('--dry-run', 'check everything and store nothing')
    .addHelpText(
      'after',
      examples(
        'tenantry tenants update acme --set displayName="Acme Inc."',
        'tenantry tenants update acme --set parameters.logLevel=debug --wait',
        'tenantry tenants update acme -f changes.yaml --dry-run',
      ),
    )
    .action(
      action<UpdateOptions, [string]>(invocationOf, async (invocation, options, name) => {
        const { printer, terminal } = invocation;
        const { name: written, ...fields } =
          options.file === undefined ? {} : fieldsOf(await readDocument(terminal, options.file), 'Tenant');
        if (written !== undefined && written !== name)
          throw new Failure('usage', `The file is of tenant ${String(written)}, not of ${name}.`);
        const body = Object.entries(pairs(options.set ?? [], '--set')).reduce<Record<string, unknown>>(
          (patch, [path, value]) => within(patch, path.split('.'), scalar(value)),
          fields,
        );
        if (Object.keys(body).length === 0)
          throw new Failure('usage', 'There is nothing to change.', { remedy: 'Name it with --set or --file.' });
        const query = {
          ...forced(options),
          ...(options.dryRun === true ? { dryRun: true as const } : {}),
        };
        const api = adminApi(invocation);
        const changed = await bodyOf(api.PATCH('/admin/tenants/{name}', { params: { path: { name }, query }, body }));
        if (options.dryRun === true) printer.note('Nothing was stored: this is what it would be.');
        const waits = options.wait === true && options.dryRun !== true;
        const shown =
          (waits ? await waitFor(invocation, api, name, isReady, { seconds: options.timeout, goal: 'is not Ready' }) : undefined) ??
          changed;
        printer.result(shown, () => tenantPage(shown, terminal.now()));
      }),
    );
}

function within(target: Record<string, unknown>, [field = '', ...rest]: readonly string[], value: unknown): Record<string, unknown> {
  if (rest.length === 0) return { ...target, [field]: value };
  const inner = target[field];
  return { ...target, [field]: within(typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {}, rest, value) };
}
