import type { Command } from 'commander';
import type { Invocation } from '../invocation.ts';

export type InvocationOf = (command: Command) => Invocation;

/** Adapts an action to commander: passes the invocation first, then the options and arguments. */
export function action<Options, Arguments extends readonly unknown[]>(
  invocationOf: InvocationOf,
  act: (invocation: Invocation, options: Options, ...args: Arguments) => Promise<void> | void,
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.at(-1) as Command;
    await act(invocationOf(command), all.at(-2) as Options, ...(all.slice(0, -2) as unknown as Arguments));
  };
}

/** Formats examples for `--help`. */
export function examples(...lines: string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
}
