import { accessSync, constants, createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { type ExportTrust, verifyExport } from '../../../audit/export.ts';
import type { Schemas } from '../../../control-plane/client/client.ts';
import { adminApi, dataOf } from '../../admin-api.ts';
import { Ended, Failure } from '../../failure.ts';
import { properties, table } from '../../output/table.ts';
import { patient } from '../../patience.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { given, type Range, ranged } from './options.ts';

type Month = Schemas['AuditVerification']['months'][number];

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
    .description('Recompute the hash chains and compare them with their signed heads. Exit code 9 when something is broken.')
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
            printer.note('The control plane recomputes every hash; this may take some minutes.');
            const verdict = await dataOf(
              adminApi(invocation, { patience: await patient() }).GET('/admin/audit/verify', { params: { query: given(range) } }),
            );
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
