/** Text measured in terminal columns. Our own texts are plain; names that people give may hold wide characters. */
import { stripStyles } from './ansi.ts';

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
const wide = /\p{Extended_Pictographic}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
const control = /[\u0000-\u001f\u007f-\u009f]/g;

export function textWidth(text: string): number {
  const plain = stripStyles(text);
  if (/^[\x20-\x7e]*$/.test(plain)) {
    return plain.length;
  }
  let columns = 0;
  for (const { segment } of segmenter.segment(plain)) {
    columns += wide.test(segment) ? 2 : 1;
  }
  return columns;
}

/** Cuts unstyled text to `columns`, its last column an ellipsis where something was cut. */
export function truncate(text: string, columns: number): string {
  if (textWidth(text) <= columns) {
    return text;
  }
  if (columns <= 0) {
    return '';
  }
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const width = textWidth(segment);
    if (used + width > columns - 1) {
      break;
    }
    kept += segment;
    used += width;
  }
  return `${kept}…`;
}

/** Pads, never cuts. */
export function pad(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const gap = ' '.repeat(Math.max(0, columns - textWidth(text)));
  return align === 'left' ? text + gap : gap + text;
}

/** Text from elsewhere, made harmless for a terminal: one line, no escape sequences. */
export function oneLine(text: string): string {
  return stripStyles(text).replaceAll(control, ' ').replaceAll(/ {2,}/g, ' ').trim();
}

/** Breaks unstyled text at spaces into lines of at most `columns`. A longer word is cut. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text).split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (textWidth(longer) <= columns) {
      line = longer;
      continue;
    }
    if (line !== '') {
      lines.push(line);
    }
    line = truncate(word, columns);
  }
  return line === '' ? lines : [...lines, line];
}
