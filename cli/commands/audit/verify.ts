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

/** Delay before a note says that the verification is still running, in milliseconds. */
const patienceMs = 5_000;

const words: Readonly<Record<Verdict, string>> = {
  intact: 'Intact.',
  broken: 'BROKEN.',
  'nothing-checked': 'NOTHING CHECKED: the range has no records.',
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
    .argument('[export]', 'file of `audit export`, verified without the control plane')
    .description(
      'Recompute the hash chains and compare them with their signed heads. Exit code 9: a chain is broken; 3: the range has no records.',
    )
    .option('--keys <file>', 'public keys that you kept (GET /admin/audit/keys); default: trust the keys in the export')
    .option('--heads <file>', 'signed heads that you kept (GET /admin/audit/heads): finds records that were removed or rewritten later')
    .addHelpText('after', examples('tenantry audit verify --tenant acme', 'tenantry audit verify audit.jsonl --keys audit-keys.json'))
    .action(
      action<Range & { keys?: string; heads?: string }, [string | undefined]>(
        invocationOf,
        async (invocation, { keys, heads, ...range }, file) => {
          const { printer } = invocation;
          if (file === undefined) {
            if (keys !== undefined || heads !== undefined) throw new Failure('usage', '--keys and --heads need the file of an export.');
            const patience = setTimeout(() => printer.note('Still recomputing hashes.'), patienceMs);
            const verification = await bodyOf(
              adminApi(invocation, { patience: await patient() }).GET('/admin/audit/verify', { params: { query: given(range) } }),
            ).finally(() => clearTimeout(patience));
            const { verdict, records, months } = verification;
            printer.result(verification, () => `${monthTable(months)}\n${words[verdict]} Recomputed ${records} records.\n`);
            return conclude(verdict);
          }
          const trust: ExportTrust = {
            ...(keys === undefined ? {} : { keys: listIn(keys, 'keys') }),
            ...(heads === undefined ? {} : { heads: listIn(heads, 'items') as NonNullable<ExportTrust['heads']> }),
            ...(Object.keys(given(range)).length === 0 ? {} : { wanted: given(range) }),
          };
          const found = await verifyExport(linesOf(file), trust);
          if (keys === undefined)
            printer.note(`The keys in the export are trusted. Compare their ids with keys from another source: ${found.keys.join(', ')}`);
          printer.result(
            found,
            () =>
              monthTable(found.months) +
              properties({
                Records: found.records,
                Scope: scopeOf(found),
                Complete: found.whole ? 'yes' : 'NO: lines are missing or were changed',
                Missing: found.missing,
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

/** The scope of an export, from its first line. */
function scopeOf({ scope: { tenant, organizationId, from, to }, signed }: ExportVerdict): string {
  const whose = tenant ?? organizationId ?? 'all chains';
  return `${whose}, ${from ?? 'the first month'} to ${to ?? 'the time of the export'}${signed ? '' : ' (NOT signed)'}`;
}

function linesOf(file: string): AsyncIterable<string> {
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    throw new Failure('usage', `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  return createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}

/** A list in a JSON file: the whole file, or its member `name`. */
function listIn(file: string, name: string): readonly unknown[] {
  try {
    const document: unknown = JSON.parse(readFileSync(file, 'utf8'));
    const list = Array.isArray(document) ? document : (document as Record<string, unknown> | null)?.[name];
    if (Array.isArray(list)) return list;
  } catch (error) {
    throw new Failure(
      'usage',
      `${file} cannot be read: ${error instanceof SyntaxError ? 'it is not JSON' : (error as NodeJS.ErrnoException).code}`,
    );
  }
  throw new Failure('usage', `${file} must contain a list, or an object with the list ${name}.`);
}
