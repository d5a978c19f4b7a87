import { styleText } from 'node:util';
import { stringify } from 'yaml';
import type { Terminal } from '../terminal.ts';

export const formats = ['table', 'json', 'yaml'] as const;
export type Format = (typeof formats)[number];

/** Writes results in the selected format. All other output goes to standard error, so that results can be piped. */
export class Printer {
  readonly format: Format;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, format: Format) {
    this.#terminal = terminal;
    this.format = format;
  }

  /** Writes one result: `value` for programs, a table for people. */
  result(value: unknown, asTable: () => string): void {
    if (this.format === 'json') this.#terminal.out(`${JSON.stringify(value, null, 2)}\n`);
    else if (this.format === 'yaml') this.#terminal.out(stringify(value, { lineWidth: 0, aliasDuplicateObjects: false }));
    else this.#terminal.out(asTable());
  }

  /** Writes a list. In table format, an empty list becomes the note `none`. */
  list<Item>(items: readonly Item[], none: string, asTable: () => string): void {
    if (items.length === 0 && this.format === 'table') this.note(none);
    else this.result(items, asTable);
  }

  /** Reports an action without a result: a remark for people, a value for programs. */
  done(value: unknown, remark: string): void {
    this.note(remark);
    this.result(value, () => '');
  }

  /** Writes one result of a stream: a line of JSON, a YAML document, or lines for people. */
  next(value: unknown, asLine: () => string): void {
    if (this.format === 'json') this.#terminal.out(`${JSON.stringify(value)}\n`);
    else if (this.format === 'yaml') this.#terminal.out(`---\n${stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })}`);
    else this.#terminal.out(asLine());
  }

  /** Writes a remark for people to standard error. */
  note(text: string): void {
    this.#terminal.err(`${text}\n`);
  }

  /** Styles text for standard output, if standard output supports colours. */
  paint(style: 'green' | 'red' | 'yellow' | 'dim' | 'bold', text: string): string {
    return this.#terminal.colours.out ? styleText(style, text, { validateStream: false }) : text;
  }
}
