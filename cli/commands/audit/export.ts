import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { adminApi, failureOf } from '../../admin-api.ts';
import { causeOf } from '../../diagnose/cause.ts';
import { Failure } from '../../failure.ts';
import { patient } from '../../patience.ts';
import { action, examples, type InvocationOf } from '../action.ts';
import { given, type Range, ranged } from './options.ts';

export function exportCommand(audit: Command, invocationOf: InvocationOf): void {
  ranged(audit.command('export'))
    .description('Export chains with hashes, signed heads and public keys as JSON Lines. `audit verify` verifies the file offline.')
    .option('-f, --file <file>', 'file to write; default: standard output')
    .addHelpText(
      'after',
      examples('tenantry audit export --file audit.jsonl', 'tenantry audit export --tenant acme --from 2026-10 | gzip > acme.jsonl.gz'),
    )
    .action(
      action<Range & { file?: string }, []>(invocationOf, async (invocation, { file, ...range }) => {
        const { terminal, printer } = invocation;
        const { response, data, error } = await adminApi(invocation, { patience: await patient() }).GET('/admin/audit/export', {
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
            // A character may be split across two chunks.
            const text = new TextDecoder();
            for await (const chunk of kept(lines)) terminal.out(text.decode(chunk, { stream: true }));
            terminal.out(text.decode());
          } else await writeWhole(file, (target) => pipeline(lines, kept, target, { signal: terminal.signal }));
        } catch (fault) {
          terminal.signal.throwIfAborted();
          throw fault instanceof Failure
            ? fault
            : new Failure('unavailable', `The export was interrupted: ${causeOf(fault)}`, { remedy: 'Try again.' });
        }
        if (!/"type":"end"/.test(end.trim().split('\n').at(-1) ?? ''))
          throw new Failure('unavailable', 'The export was interrupted: its last line is missing.', { remedy: 'Try again.' });
        if (file !== undefined) printer.note(`Wrote ${file}. To verify it, run: tenantry audit verify ${file}`);
      }),
    );
}

/** Writes a file that only its owner can read. The file appears only when it is complete. */
async function writeWhole(file: string, write: (target: NodeJS.WritableStream) => Promise<void>): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await write(createWriteStream(temporary, { mode: 0o600, flags: 'wx' }));
    renameSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}
