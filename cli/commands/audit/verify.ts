import { accessSync, constants, createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { type ExportTrust, type ExportVerdict, verifyExport } from '../../../audit/export.ts';
import type { Verdict } from '../../../audit/verification.ts';
import type { Schemas } from '../../../control-plane/client/client.ts';
import { adminApi, bodyOf } from '../../admin-api.ts';
import { Ended, Failure } from '../../failure.ts';
import { properties, table } from '../../output/table.ts';
import { patient } from '../../patience.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { given, type Range, ranged } from './options.ts';

type Month = Schemas['AuditVerification']['months'][number];

/** Milliseconds after which somebody is told that it goes on. */
const patienceMs = 5_000;

const words: Readonly<Record<Verdict, string>> = {
  intact: 'Nothing is broken.',
  broken: 'BROKEN.',
  'nothing-checked': 'NOTHING WAS CHECKED: there is no record in this range.',
};

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

export function verifyCommand(audit: Command, invocationOf: InvocationOf): void {
  ranged(audit.command('verify'))
    .argument('[export]', 'a file that `audit export` wrote: verified here, without the control plane')
    .description(
      'Recompute the hash chains and compare them with their signed heads. Exit code 9: something is broken; 3: nothing was there to check.',
    )
    .option('--keys <file>', 'public keys you have kept (GET /admin/audit/keys); without them those in the export are trusted')
    .option('--heads <file>', 'signed heads you have kept (GET /admin/audit/heads): finds what was cut off or written anew later')
    .addHelpText('after', examples('tenantry audit verify --tenant acme', 'tenantry audit verify audit.jsonl --keys audit-keys.json'))
    .action(
      action<Range & { keys?: string; heads?: string }, [string | undefined]>(
        invocationOf,
        async (invocation, { keys, heads, ...range }, file) => {
          const { printer } = invocation;
          if (file === undefined) {
            if (keys !== undefined || heads !== undefined) throw new Failure('usage', '--keys and --heads go with the file of an export.');
            const patience = setTimeout(() => printer.note('Still verifying: every hash is recomputed.'), patienceMs);
            const verification = await bodyOf(
              adminApi(invocation, { patience: await patient() }).GET('/admin/audit/verify', { params: { query: given(range) } }),
            ).finally(() => clearTimeout(patience));
            const { verdict, records, months } = verification;
            printer.result(verification, () => `${monthTable(months)}\n${words[verdict]} ${records} records were recomputed.\n`);
            return conclude(verdict);
          }
          const trust: ExportTrust = {
            ...(keys === undefined ? {} : { keys: listIn(keys, 'keys') }),
            ...(heads === undefined ? {} : { heads: listIn(heads, 'items') as NonNullable<ExportTrust['heads']> }),
            ...(Object.keys(given(range)).length === 0 ? {} : { wanted: given(range) }),
          };
          const found = await verifyExport(linesOf(file), trust);
          if (keys === undefined)
            printer.note(
              `The keys in the export were trusted; compare their ids with ones you have from elsewhere: ${found.keys.join(', ')}`,
            );
          printer.result(
            found,
            () =>
              monthTable(found.months) +
              properties({
                Records: found.records,
                Scope: scopeOf(found),
                Whole: found.whole ? 'yes' : 'NO: the end is missing',
                Lacks: found.lack,
                Unreadable: found.unreadable === undefined ? undefined : `line ${found.unreadable.line}: ${found.unreadable.detail}`,
                Verdict: words[found.verdict],
              }),
          );
          conclude(found.verdict);
        },
      ),
    );
}

function conclude(verdict: Verdict): void {
  if (verdict === 'broken') throw new Ended('faultFound');
  if (verdict === 'nothing-checked') throw new Ended('notFound');
}

/** What an export says it has. */
function scopeOf({ scope: { tenant, organizationId, from, to }, signed }: ExportVerdict): string {
  const whose = tenant ?? organizationId ?? 'all chains';
  return `${whose}, ${from ?? 'from the beginning'} to ${to ?? 'the time of the export'}${signed ? '' : ' (NOT signed)'}`;
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
