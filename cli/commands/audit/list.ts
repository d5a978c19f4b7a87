import { type Command, InvalidArgumentError, Option } from 'commander';
import { recordKinds } from '../../../audit/record.ts';
import type { Schemas } from '../../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { table } from '../../output/table.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { given } from './options.ts';
import { actionInWords, actorInWords, namesOfKeys } from './words.ts';

type AuditRecord = Schemas['AuditRecord'];

interface ListOptions {
  readonly tenant?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly kind?: AuditRecord['kind'];
  readonly requestId?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: number;
}

const pageSize = 200;

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number, 1 or more.');
  return Number(text);
}

/** Parses an RFC 3339 time, or a date. A date means midnight in UTC. */
function time(text: string): string {
  const at = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(at))
    throw new InvalidArgumentError('It must be a time such as 2026-11-21T14:00:00Z, or a date.');
  return new Date(at).toISOString();
}

export function listCommand(audit: Command, invocationOf: InvocationOf): void {
  audit
    .command('list')
    .description('List records, the newest first.')
    .option('--tenant <name>', 'only this tenant, also a deleted one')
    .option('--actor <id>', 'only of this user (user_...), application (client_...) or API key (key:...)')
    .option('--action <name>', 'only this action, such as tenants.create or tools.call')
    .option('--outcome <word>', 'only with this outcome')
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(recordKinds))
    .option('--request-id <id>', 'only of this request')
    .addOption(new Option('--from <time>', 'received at this time or later').argParser(time))
    .addOption(new Option('--to <time>', 'received before this time').argParser(time))
    .addOption(new Option('--limit <number>', 'most records').argParser(count).default(50))
    .addHelpText(
      'after',
      examples(
        'tenantry audit list --tenant acme',
        'tenantry audit list --kind tool-call --from 2026-11-21 --output json',
        'tenantry audit list --action tenants.delete --limit 10',
      ),
    )
    .action(
      action<ListOptions, []>(invocationOf, async (invocation, { limit, ...filter }) => {
        const api = adminApi(invocation);
        const records: AuditRecord[] = [];
        let cursor: string | undefined;
        do {
          const query = given({
            ...filter,
            limit: Math.min(pageSize, limit - records.length),
            ...(cursor === undefined ? {} : { cursor }),
          });
          const page = await bodyOf(api.GET('/admin/audit', { params: { query } }));
          records.push(...page.items);
          cursor = page.nextCursor;
        } while (cursor !== undefined && records.length < limit);
        const keyNames = invocation.printer.format === 'table' ? await namesOfKeys(api, records) : new Map<string, string>();
        invocation.printer.list(records, 'No records match.', () =>
          table(records, {
            TIME: (record) => record.time,
            ACTOR: (record) => actorInWords(record, keyNames),
            ACTION: actionInWords,
            TENANT: ({ tenant }) => tenant?.name ?? '',
            OUTCOME: ({ outcome }) => outcome,
            REQUEST: ({ requestId }) => requestId ?? '',
          }),
        );
      }),
    );
}
