/** Just enough markdown to write the generated pages, and to check links. */

/**
 * A table; cells may hold markdown, and pipes and line breaks in them are made harmless, as is the beginning of a tag. Its columns are padded,
 * as the formatter pads those of the pages that people write.
 */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows].map((row) => row.map(cell));
  const widths = titles.map((_, column) => Math.max(3, ...cells.map((row) => [...(row[column] ?? '')].length)));
  const line = (row: readonly string[]): string => `| ${widths.map((width, column) => padded(row[column] ?? '', width)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

export function code(text: string): string {
  return `\`${text}\``;
}

/** A page that nobody edits by hand. */
export function generatedPage(o: { title: string; from: string; intro: string; sections: readonly string[] }): string {
  const notice = `<!-- Generated from ${o.from} by \`npm run docs\`. Change the source, not this page. -->`;
  return `${[notice, `# ${o.title}`, o.intro, ...o.sections].join('\n\n')}\n`;
}

/** The anchor that GitHub gives a heading: lower case, punctuation dropped, spaces to hyphens. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

function cell(text: string): string {
  // A `<` outside code would begin an HTML tag.
  const safe = text.replaceAll(/`[^`]*`|</g, (found) => (found === '<' ? '&lt;' : found));
  return safe.replaceAll('|', '\\|').replaceAll('\n', '<br>');
}

function padded(text: string, width: number): string {
  return text + ' '.repeat(width - [...text].length);
}
