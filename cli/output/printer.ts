import { styleText } from 'node:util';
import { stringify } from 'yaml';
import type { Terminal } from '../terminal.ts';

export const formats = ['table', 'json', 'yaml'] as const;
export type Format = (typeof formats)[number];

/** Writes results in the format that was asked for. What is not a result goes to standard error, so that results can be piped on. */
export class Printer {
  readonly format: Format;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, format: Format) {
    this.#terminal = terminal;
    this.format = format;
  }

  /** One result: `value` for programs, `table` for people. */
  result(value: unknown, asTable: () => string): void {
    if (this.format === 'json') this.#terminal.out(`${JSON.stringify(value, null, 2)}\n`);
    else if (this.format === 'yaml') this.#terminal.out(stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }));
    else this.#terminal.out(asTable());
  }

  /** A list; where people are shown an empty one, they are told so in words. */
  list<Item>(items: readonly Item[], none: string, asTable: () => string): void {
    if (items.length === 0 && this.format === 'table') this.note(none);
    else this.result(items, asTable);
  }

  /** That something was done which has no result of its own: a remark for people, a value for programs. */
  done(value: unknown, remark: string): void {
    this.note(remark);
    this.result(value, () => '');
  }

  /** One of a stream of results: a line of JSON, a document of YAML, or lines for people. */
  next(value: unknown, asLine: () => string): void {
    if (this.format === 'json') this.#terminal.out(`${JSON.stringify(value)}\n`);
    else if (this.format === 'yaml') this.#terminal.out(`---\n${stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })}`);
    else this.#terminal.out(asLine());
  }

  /** A remark for people, beside the result. */
  note(text: string): void {
    this.#terminal.err(`${text}\n`);
  }

  /** Text for standard output in a colour, where it takes one. */
  paint(style: 'green' | 'red' | 'yellow' | 'dim' | 'bold', text: string): string {
    return this.#terminal.colours.out ? styleText(style, text, { validateStream: false }) : text;
  }
}
