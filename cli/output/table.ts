import { oneLine } from './text.ts';

/** Columns by heading, each with a function that returns the text of a cell. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => unknown>>;

/** Formats rows under headings. A column is as wide as its widest cell, with two spaces between columns. The last column is not padded. */
export function table<Row>(rows: readonly Row[], columns: Columns<Row>): string {
  const headings = Object.keys(columns);
  const lines = [headings, ...rows.map((row) => headings.map((heading) => oneLine(columns[heading]?.(row))))];
  const widths = headings.map((_, index) => lines.reduce((most, line) => Math.max(most, widthOf(line[index] ?? '')), 0));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, index) => pad(cell, widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Formats names and values, one pair a line. Names without a value are left out. */
export function properties(values: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(0, ...shown.map(([name]) => widthOf(name)));
  return shown.map(([name, value]) => `${pad(`${name}:`, width + 2)} ${oneLine(value)}\n`).join('');
}

const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** Width of the text in terminal columns: East Asian wide characters and emoji take two, combining marks none. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text.normalize('NFC')) {
    if (/\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) continue;
    width += /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
      character,
    )
      ? 2
      : 1;
  }
  return width;
}
