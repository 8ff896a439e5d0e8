import { describe, expect, it } from 'vitest';
import { painter, stripStyles } from './ansi.ts';
import { type Column, renderTable } from './table.ts';
import { textWidth } from './text-width.ts';

interface Row {
  readonly name: string;
  readonly iops: number;
  readonly note: string;
}

const rows: Row[] = [
  { name: 'orders-db', iops: 12, note: 'short' },
  { name: 'a-very-long-volume-name', iops: 12_400, note: 'a note that goes on for much longer than any terminal is wide' },
];
const columns: Column<Row>[] = [
  { title: 'NAME', value: ({ name }) => name, shrinkTo: 8 },
  { title: 'IOPS', value: ({ iops }) => String(iops), align: 'right', style: () => ['red'] },
  { title: 'NOTE', value: ({ note }) => note, shrinkTo: 10 },
];

describe('renderTable', () => {
  it('aligns columns and leaves no spaces at the ends of lines', () => {
    const lines = renderTable(rows, columns, { paint: painter(false) });
    expect(lines).toEqual([
      'NAME                      IOPS  NOTE',
      'orders-db                   12  short',
      'a-very-long-volume-name  12400  a note that goes on for much longer than any terminal is wide',
    ]);
  });

  it('takes width from the columns that may shrink, the widest first, and marks what was cut', () => {
    const lines = renderTable(rows, columns, { columns: 40, paint: painter(false) });
    expect(Math.max(...lines.map(textWidth))).toBe(40);
    expect(lines[2]).toMatch(/^a-very-\S*…\s+12400\s+a note .*…$/);
  });

  it('never squeezes a column that may not shrink, even where the table stays too wide', () => {
    const [, , line = ''] = renderTable(rows, columns, { columns: 10, paint: painter(false) });
    expect(line).toContain('12400');
    expect(line).toMatch(/^a-very-… {2}12400 {2}a note th…$/);
  });

  it('measures text, not escape sequences, so that colours move nothing', () => {
    const plain = renderTable(rows, columns, { columns: 50, paint: painter(false) });
    const coloured = renderTable(rows, columns, { columns: 50, paint: painter(true) });
    expect(coloured.map(stripStyles)).toEqual(plain);
    expect(coloured[1]).toContain('\u001b[31m');
  });

  it('makes text from elsewhere harmless: one line and no escape sequences', () => {
    const [, line] = renderTable([{ name: 'evil\u001b[2J\nname', iops: 1, note: 'x' }], columns, { paint: painter(false) });
    expect(line).toMatch(/^evil/);
    expect(line).not.toContain('\u001b');
    expect(line).not.toContain('\n');
  });

  it('counts wide characters as two columns', () => {
    const lines = renderTable([{ name: '数据库', iops: 1, note: 'x' }], columns, { paint: painter(false) });
    expect(lines[1]).toBe('数据库     1  x');
  });
});
