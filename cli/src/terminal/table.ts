/** Tables for people: aligned columns, cut to the terminal's width. */
import type { Paint, Style } from './ansi.ts';
import { oneLine, pad, textWidth, truncate } from './text-width.ts';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: 'left' | 'right';
  readonly style?: (row: Row) => readonly Style[];
  /** The least width that this column may be squeezed to where the table is too wide. Absent: it is never squeezed. */
  readonly shrinkTo?: number;
  /** So that a table that is drawn again and again does not jump. */
  readonly widthMin?: number;
}

const gap = '  ';

/** @returns the table's lines, headings first. `columns` absent: nothing is cut, as for a pipe. */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  o: { columns?: number | undefined; paint: Paint },
): string[] {
  const cells = rows.map((row) => columns.map((column) => oneLine(column.value(row))));
  const natural = columns.map((column, index) =>
    Math.max(column.widthMin ?? 0, textWidth(column.title), ...cells.map((line) => textWidth(line[index] ?? ''))),
  );
  const widths = o.columns === undefined ? natural : squeeze({ natural, columns, room: o.columns - gap.length * (columns.length - 1) });
  const line = (texts: readonly string[], styles: (index: number) => readonly Style[]): string =>
    texts
      .map((text, index) => {
        const width = widths[index] ?? 0;
        const last = index === texts.length - 1;
        const cut = truncate(text, width);
        const align = columns[index]?.align ?? 'left';
        const padded = last && align === 'left' ? cut : pad(cut, width, align);
        return o.paint(padded, ...styles(index));
      })
      .join(gap)
      .trimEnd();
  return [
    line(
      columns.map(({ title }) => title),
      () => ['dim'],
    ),
    ...rows.map((row, at) => line(cells[at] ?? [], (index) => columns[index]?.style?.(row) ?? [])),
  ];
}

/** Takes what is missing from the column that is furthest above its least width, until the table fits or nothing is left to take. */
function squeeze<Row>(o: { natural: readonly number[]; columns: readonly Column<Row>[]; room: number }): number[] {
  const widths = [...o.natural];
  const spare = (index: number): number => {
    const least = o.columns[index]?.shrinkTo;
    return least === undefined ? 0 : (widths[index] ?? 0) - least;
  };
  for (let missing = sum(widths) - o.room; missing > 0; missing -= 1) {
    const widest = widths.map((_, index) => index).reduce((best, index) => (spare(index) > spare(best) ? index : best), 0);
    if (spare(widest) <= 0) {
      break;
    }
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
