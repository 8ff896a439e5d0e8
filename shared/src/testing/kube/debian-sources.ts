/** Debian's sources lists, asked for source packages too: most machines ask their archive for binary packages only. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface SourcesFile {
  /** `.list` or `.sources` at its end tells apt how to read it. */
  readonly name: string;
  readonly text: string;
}

/** All sources lists below `etcDir` (`/etc/apt`), with source packages added. Those that we may not read are left out. */
export async function readSources(etcDir: string): Promise<SourcesFile[]> {
  const partNames = await readdir(join(etcDir, 'sources.list.d')).catch(() => []);
  const paths = ['sources.list', ...partNames.map((name) => join('sources.list.d', name))];
  const found: SourcesFile[] = [];
  for (const path of paths.filter((name) => /\.(list|sources)$/.test(name))) {
    const text = await readFile(join(etcDir, path), 'utf8').catch(() => undefined);
    if (text !== undefined) {
      found.push({ name: path.replaceAll('/', '-'), text: path.endsWith('.list') ? withSourceLines(text) : withSourceTypes(text) });
    }
  }
  return found;
}

/** Of the one-line format: each `deb` line is followed by its `deb-src` line. */
export function withSourceLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\s*deb-src\s/.test(line))
    .flatMap((line) => (/^\s*deb\s/.test(line) ? [line, line.replace(/^\s*deb(?=\s)/, 'deb-src')] : [line]))
    .join('\n');
}

/** Of the deb822 format: each stanza has both types. */
export function withSourceTypes(text: string): string {
  return text.replaceAll(/^types:.*$/gim, 'Types: deb deb-src');
}
