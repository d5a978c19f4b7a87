import { styleText } from 'node:util';
import { Failure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { oneLine } from './text.ts';

/** Writes why a command failed: the message, each fault and the remedy. */
export function explain(terminal: Terminal, error: unknown): void {
  const failure = error instanceof Failure ? error : undefined;
  const label = terminal.colours.err ? styleText('red', 'error:', { validateStream: false }) : 'error:';
  terminal.err(`${label} ${oneLine(error instanceof Error ? error.message : error)}\n`);
  for (const detail of failure?.details ?? []) terminal.err(`  ${oneLine(detail)}\n`);
  for (const line of failure?.remedy?.split('\n') ?? []) terminal.err(`${line}\n`);
  if (failure !== undefined) return;
  if (terminal.env['TENANTRY_DEBUG'] && error instanceof Error) terminal.err(`${error.stack}\n`);
  else terminal.err('tenantry did not expect this. Is the control plane of another version? TENANTRY_DEBUG=1 tells where it happened.\n');
}
