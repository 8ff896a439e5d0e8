/** A bar of `columns` characters; eighths of a block make slow progress visible. */
export function progressBar(o: { percent: number; columns: number }): string {
  const eighths = Math.round((Math.min(100, Math.max(0, o.percent)) / 100) * o.columns * 8);
  const full = Math.floor(eighths / 8);
  const part = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '';
  return `${'█'.repeat(full)}${part}${'░'.repeat(Math.max(0, o.columns - full - (part === '' ? 0 : 1)))}`;
}
