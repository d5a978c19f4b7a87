import { oneLine } from './text.ts';

/** Columns by their heading, each with the text of its cell. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => unknown>>;

/** Rows under headings, columns as wide as their widest cell, two spaces between them; the last one is not padded. */
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

/** Names and values under each other; those without a value are left out. */
export function properties(values: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(0, ...shown.map(([name]) => widthOf(name)));
  return shown.map(([name, value]) => `${pad(`${name}:`, width + 2)} ${oneLine(value)}\n`).join('');
}

const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));

/** Columns a terminal gives the text: East Asian wide characters and emoji take two, combining marks none. */
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
