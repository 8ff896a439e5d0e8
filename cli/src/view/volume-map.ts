/** A volume's health as a map: each cell a part of it, in the order of its bytes, drawn as the worst that is in it. */
import { type VolumeCell, volumeCells } from '@couchestor/shared/contracts/vault';
import type { Paint, Style } from '../terminal/ansi.ts';
import { formatBytes } from '../terminal/format.ts';
import { pad, textWidth } from '../terminal/text-width.ts';

const rowCells = 64;

/** Told apart by their shape as well: a colour may not be seen. */
const looks: Readonly<Record<VolumeCell, { readonly text: string; readonly styles: readonly Style[]; readonly words: string }>> = {
  hole: { text: '·', styles: ['dim'], words: 'never written' },
  journal: { text: '▒', styles: ['blue'], words: 'in the journal' },
  healthy: { text: '█', styles: ['green'], words: 'healthy' },
  degraded: { text: '▓', styles: ['yellow'], words: 'degraded' },
  lost: { text: '✗', styles: ['red', 'bold'], words: 'lost' },
};

/** One line for each row of cells, its offset in front, and a legend of what is in it. */
export function volumeMap(o: { map: readonly VolumeCell[]; sizeBytes: number; paint: Paint; columns: number | undefined }): string[] {
  const { map, sizeBytes, paint } = o;
  if (map.length === 0) {
    return [];
  }
  const offsetOf = (cell: number): string => formatBytes(Math.floor((sizeBytes / map.length) * cell));
  const labelColumns = textWidth(offsetOf(map.length));
  const wide = Math.max(8, Math.min(rowCells, (o.columns ?? 80) - labelColumns - 1));
  const rows = Array.from({ length: Math.ceil(map.length / wide) }, (_, row) => {
    const cells = map.slice(row * wide, (row + 1) * wide);
    return `${paint(pad(offsetOf(row * wide), labelColumns, 'right'), 'dim')} ${drawn(cells, paint)}`;
  });
  const legend = volumeCells
    .filter((cell) => map.includes(cell))
    .map((cell) => `${paint(looks[cell].text, ...looks[cell].styles)} ${looks[cell].words}`);
  return [...rows, `${' '.repeat(labelColumns + 1)}${legend.join('  ')}`];
}

/** Runs of one kind are painted as one. */
function drawn(cells: readonly VolumeCell[], paint: Paint): string {
  const runs: { cell: VolumeCell; length: number }[] = [];
  for (const cell of cells) {
    const last = runs.at(-1);
    if (last?.cell === cell) {
      last.length += 1;
    } else {
      runs.push({ cell, length: 1 });
    }
  }
  return runs.map(({ cell, length }) => paint(looks[cell].text.repeat(length), ...looks[cell].styles)).join('');
}
