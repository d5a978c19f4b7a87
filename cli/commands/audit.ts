import { accessSync, constants, createReadStream, createWriteStream, readFileSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type ExportTrust, verifyExport } from '../../audit/export.ts';
import type { Schemas } from '../../control-plane/client/client.ts';
import { adminApi, dataOf, failureOf } from '../admin-api.ts';
import { causeOf } from '../diagnose/cause.ts';
import { Ended, Failure } from '../failure.ts';
import { properties, table } from '../output/table.ts';
import { action, examples, type WorkplaceOf } from './action.ts';

type AuditRecord = Schemas['AuditRecord'];
type Month = Schemas['AuditVerification']['months'][number];

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

interface Range {
  readonly tenant?: string;
  readonly from?: string;
  readonly to?: string;
}

const kinds = ['admin', 'tool-call', 'rotation', 'secret-read', 'retention'] as const;
const pageSize = 200;

function count(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('It is a number from 1 on.');
  return Number(text);
}

/** A time of RFC 3339, or a date, which stands for its beginning in UTC. */
function time(text: string): string {
  const at = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(at))
    throw new InvalidArgumentError('It is a time such as 2026-11-21T14:00:00Z, or a date.');
  return new Date(at).toISOString();
}

const ranged = (command: Command): Command =>
  command
    .option('--tenant <name>', 'only this tenant, also one that is gone')
    .option('--from <month>', 'first month, such as 2026-11')
    .option('--to <month>', 'last month');

const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** `tenantry audit ...`: what was done, by whom, and whether the record of it is whole. */
export function auditCommands(program: Command, workplaceOf: WorkplaceOf): void {
  const audit = program.command('audit').description('What was done, by whom, and whether the record of it is whole.');
  listCommand(audit, workplaceOf);
  verifyCommand(audit, workplaceOf);
  exportCommand(audit, workplaceOf);
}

function listCommand(audit: Command, workplaceOf: WorkplaceOf): void {
  audit
    .command('list')
    .description('List records, the newest first.')
    .option('--tenant <name>', 'only this tenant, also one that is gone')
    .option('--actor <id>', 'only of this user (user_...) or key (key:...)')
    .option('--action <name>', 'only this action, such as tenants.create or tools.call')
    .option('--outcome <word>', 'only with this outcome')
    .addOption(new Option('--kind <kind>', 'only of this kind').choices(kinds))
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
      action<ListOptions, []>(workplaceOf, async (workplace, { limit, ...filter }) => {
        const api = adminApi(workplace);
        const records: AuditRecord[] = [];
        let cursor: string | undefined;
        do {
          const query = given({
            ...filter,
            limit: Math.min(pageSize, limit - records.length),
            ...(cursor === undefined ? {} : { cursor }),
          });
          const page = await dataOf(api.GET('/admin/audit', { params: { query } }));
          records.push(...page.items);
          cursor = page.nextCursor;
        } while (cursor !== undefined && records.length < limit);
        workplace.printer.result(records, () =>
          table(records, {
            TIME: (record) => record.time,
            ACTOR: ({ actor }) => actor,
            ACTION: (record) => record.action,
            TENANT: ({ tenant }) => tenant?.name ?? '',
            OUTCOME: ({ outcome }) => outcome,
            REQUEST: ({ requestId }) => requestId ?? '',
          }),
        );
      }),
    );
}

const monthTable = (
  months: readonly (Omit<Month, 'fault'> & { readonly fault?: { readonly detail: string; readonly sequence: number } | undefined })[],
): string =>
  table(months, {
    CHAIN: ({ tenant, chain }) => tenant ?? chain,
    MONTH: ({ month }) => month,
    STATE: ({ state }) => state,
    RECORDS: ({ records }) => records,
    'SIGNED TO': ({ signedThrough }) => signedThrough,
    FAULT: ({ fault }) => (fault === undefined ? '' : `record ${fault.sequence}: ${fault.detail}`),
  });

function verifyCommand(audit: Command, workplaceOf: WorkplaceOf): void {
  ranged(audit.command('verify'))
    .argument('[export]', 'a file that `audit export` wrote: verified here, without the control plane')
    .description('Recompute the hash chains and compare them with their signed heads. Exit code 9 when something is broken.')
    .option('--keys <file>', 'public keys you have kept (GET /admin/audit/keys); without them those in the export are trusted')
    .option('--heads <file>', 'signed heads you have kept (GET /admin/audit/heads): finds what was cut off or written anew later')
    .addHelpText('after', examples('tenantry audit verify --tenant acme', 'tenantry audit verify audit.jsonl --keys audit-keys.json'))
    .action(
      action<Range & { keys?: string; heads?: string }, [string | undefined]>(
        workplaceOf,
        async (workplace, { keys, heads, ...range }, file) => {
          const { printer } = workplace;
          if (file === undefined) {
            if (keys !== undefined || heads !== undefined) throw new Failure('usage', '--keys and --heads go with the file of an export.');
            const verdict = await dataOf(adminApi(workplace).GET('/admin/audit/verify', { params: { query: given(range) } }));
            printer.result(
              verdict,
              () =>
                `${monthTable(verdict.months)}\n${verdict.ok ? 'Nothing is broken.' : 'BROKEN.'} ${verdict.records} records were recomputed.\n`,
            );
            if (!verdict.ok) throw new Ended('faultFound');
            return;
          }
          const trust: ExportTrust = {
            ...(keys === undefined ? {} : { keys: listIn(keys, 'keys') }),
            ...(heads === undefined ? {} : { heads: listIn(heads, 'items') as NonNullable<ExportTrust['heads']> }),
          };
          const verdict = await verifyExport(linesOf(file), trust);
          if (keys === undefined)
            printer.note(
              `The keys in the export were trusted; compare their ids with ones you have from elsewhere: ${verdict.keys.join(', ')}`,
            );
          printer.result(
            verdict,
            () =>
              monthTable(verdict.months) +
              properties({
                Records: verdict.records,
                Whole: verdict.whole ? 'yes' : 'NO: the end is missing',
                Unreadable: verdict.unreadable === undefined ? undefined : `line ${verdict.unreadable.line}: ${verdict.unreadable.detail}`,
                Verdict: verdict.ok ? 'nothing is broken' : 'BROKEN',
              }),
          );
          if (!verdict.ok) throw new Ended('faultFound');
        },
      ),
    );
}

function exportCommand(audit: Command, workplaceOf: WorkplaceOf): void {
  ranged(audit.command('export'))
    .description('Export chains with their hashes, signed heads and keys as JSON Lines, to be verified anywhere.')
    .option('-f, --file <file>', 'where to write; standard output when left out')
    .addHelpText(
      'after',
      examples('tenantry audit export --file audit.jsonl', 'tenantry audit export --tenant acme --from 2026-10 | gzip > acme.jsonl.gz'),
    )
    .action(
      action<Range & { file?: string }, []>(workplaceOf, async (workplace, { file, ...range }) => {
        const { terminal, printer } = workplace;
        const { response, data, error } = await adminApi(workplace).GET('/admin/audit/export', {
          params: { query: given(range) },
          parseAs: 'stream',
        });
        if (!response.ok || data === undefined || data === null) throw failureOf(response, error);
        const lines = Readable.fromWeb(data as Parameters<typeof Readable.fromWeb>[0]);
        let end = '';
        const kept = async function* (chunks: AsyncIterable<Uint8Array>) {
          for await (const chunk of chunks) {
            end = (end + Buffer.from(chunk).toString('utf8')).slice(-1000);
            yield chunk;
          }
        };
        try {
          if (file === undefined) {
            for await (const chunk of kept(lines)) terminal.out(Buffer.from(chunk).toString('utf8'));
          } else await writeWhole(file, (target) => pipeline(lines, kept, target, { signal: terminal.signal }));
        } catch (fault) {
          terminal.signal.throwIfAborted();
          throw fault instanceof Failure
            ? fault
            : new Failure('unavailable', `The export broke off: ${causeOf(fault)}`, { remedy: 'Try again.' });
        }
        if (!/"type":"end"/.test(end.trim().split('\n').at(-1) ?? ''))
          throw new Failure('unavailable', 'The export broke off: its last line is missing.', { remedy: 'Try again.' });
        if (file !== undefined) printer.note(`Written: ${file}. Verify it: tenantry audit verify ${file}`);
      }),
    );
}

/** A file that is there only when it is whole, and that only its owner can read. */
async function writeWhole(file: string, write: (target: NodeJS.WritableStream) => Promise<void>): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await write(createWriteStream(temporary, { mode: 0o600, flags: 'wx' }));
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

function linesOf(file: string): AsyncIterable<string> {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new Failure('usage', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  return createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}

/** A list in a JSON file: the file itself, or its member `name`. */
function listIn(file: string, name: string): readonly unknown[] {
  try {
    const document: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const list = Array.isArray(document) ? document : (document as Record<string, unknown> | null)?.[name];
    if (Array.isArray(list)) return list;
  } catch (error) {
    throw new Failure(
      'usage',
      `${file} cannot be read: ${error instanceof SyntaxError ? 'it is no JSON' : (error as NodeJS.ErrnoException).code}`,
    );
  }
  throw new Failure('usage', `${file} must hold a list, or an object with the list ${name}.`);
}
