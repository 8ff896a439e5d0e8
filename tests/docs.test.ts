/** What the pages for people say must exist: links, commands, flags, paths, codes. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { commandTable } from '@couchestor/cli/command-table';
import { endings } from '@couchestor/migrator/domain/endings';
import { commonOptions } from '@couchestor/shared/common-options';
import { moveSteps } from '@couchestor/shared/contracts/migration';
import { refusals } from '@couchestor/shared/placement/refusals';
import { describe, expect, it } from 'vitest';
import { services } from '../scripts/docs/configuration.ts';
import { anchorOf } from '../scripts/docs/markdown.ts';

const root = join(import.meta.dirname, '..');
const pages = new Map(markdownFiles().map((path) => [path, readFileSync(join(root, path), 'utf8')]));
const names = [...pages.keys()];

describe('the pages', () => {
  it('are there', () => {
    expect(names).toEqual(expect.arrayContaining(['README.md', 'CONTRIBUTING.md', 'docs/safety.md', 'docs/decision.md']));
  });

  it.each(names)('%s links only to files and headings that exist', (path) => {
    expect(brokenLinks(path)).toEqual([]);
  });

  it.each(names)('%s names only npm scripts that exist', (path) => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    const named = [...codeOf(path).matchAll(/\bnpm (?:run (?:-\S+ )*([\w:-]+)|(start|test)\b)/g)].map(
      ([, script, short]) => script ?? short ?? '',
    );
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it.each(names)('%s names only paths that exist', (path) => {
    const named = [...codeOf(path).matchAll(/(?<![\w./~-])(?:shared|services|cli|tests|scripts|bench|deploy|docs)\/[\w./-]*[\w/]/g)].map(
      ([found]) => found,
    );
    // dist/ and what lies below a data folder are made at run time; none of them begins with these folders.
    expect([...new Set(named)].filter((name) => !existsSync(join(root, name)))).toEqual([]);
  });

  it.each(names)('%s names only commands of the cli that exist, and their words', async (path) => {
    const used = [
      ...codeOf(path).matchAll(/(?:\bcouchestor|npm run (?:-\S+ )*couchestor --)[ \t]+([a-z][a-z-]*)(?:[ \t]+([a-z][a-z-]*))?/g),
    ];
    const wrong: string[] = [];
    for (const [whole, command = '', word] of used) {
      const help = await helpOf(command);
      const takesWords = /^(migrations|dead-letters|run)$/.test(command);
      if (help === undefined || (takesWords && word !== undefined && !new RegExp(`\\b${word}\\b`).test(help))) {
        wrong.push(whole);
      }
    }
    expect(wrong).toEqual([]);
  });

  it.each(names)('%s names only flags that exist', async (path) => {
    const known = await knownFlags();
    const named = [...proseCodeOf(path).matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)].map(([, flag]) => flag ?? '');
    expect([...new Set(named)].filter((flag) => !known.has(flag))).toEqual([]);
  });

  it('safety.md has the invariants S1 to S11, and no source cites another', () => {
    const headings = headingsOf('docs/safety.md').flatMap((heading) => /^(S\d+):/.exec(heading)?.[1] ?? []);
    expect(headings).toEqual(Array.from({ length: 11 }, (_, index) => `S${index + 1}`));
    const cited = new Set(sources().flatMap((text) => [...text.matchAll(/\((S\d+)\)/g)].map(([, number]) => number ?? '')));
    expect(cited.size).toBeGreaterThan(3);
    expect([...cited].filter((number) => !headings.includes(number))).toEqual([]);
  });

  it('safety.md tells of every step of a move', () => {
    const rows = [...(pages.get('docs/safety.md') ?? '').matchAll(/^\| `([a-z-]+)` +\| (?:yes|no) +\|/gm)].map(([, step]) => step);
    expect(rows).toEqual([...moveSteps]);
  });

  it.each([
    ['Refusals', Object.keys(refusals).map((code) => `REFUSED_${code}`)],
    ['How a move ended', Object.keys(endings)],
    ['A move that does not get on', moveSteps],
  ])('runbook.md tells under "%s" what to do about each, and about nothing that is not', (heading, names) => {
    const [, section = ''] = (pages.get('docs/runbook.md') ?? '').split(`## ${heading}\n`);
    const told = [...(section.split(/^## /m)[0] ?? '').matchAll(/^### (.+)\n+([^#\s].+)/gm)].map(([, name]) => name);
    expect(told.sort()).toEqual([...names].sort());
  });
});

describe('the source', () => {
  it('tells people to type only commands that exist', () => {
    const known = new Set(commandTable.map(({ name }) => name));
    const named = sources().flatMap((text) => [...text.matchAll(/`couchestor ([a-z][a-z-]*)/g)].map(([, command]) => command ?? ''));
    expect(named.length).toBeGreaterThan(10);
    expect([...new Set(named)].filter((command) => !known.has(command))).toEqual([]);
  });
});

describe('anchors', () => {
  it.each([
    ['What is here, and what is not yet', 'what-is-here-and-what-is-not-yet'],
    ['S1: an old replica goes', 's1-an-old-replica-goes'],
    ['A volume has one replica more (kept-old)', 'a-volume-has-one-replica-more-kept-old'],
  ])('of "%s" are those that GitHub gives', (heading, anchor) => {
    expect(anchorOf(heading)).toBe(anchor);
  });
});

function markdownFiles(): string[] {
  const below = ['docs', 'deploy'].flatMap((folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
      : [],
  );
  return [...readdirSync(root), ...below].filter((name) => name.endsWith('.md')).sort();
}

function brokenLinks(path: string): string[] {
  const text = (pages.get(path) ?? '').replaceAll(/^```[\s\S]*?^```/gm, '').replaceAll(/`[^`\n]*`/g, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '').filter((target) => !/^[a-z]+:/.test(target));
  return targets.filter((target) => {
    const [file = '', anchor] = target.split('#');
    const resolved = file === '' ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(root, resolved))) {
      return true;
    }
    return anchor !== undefined && !(statSync(join(root, resolved)).isFile() && anchorsOf(resolved).includes(anchor));
  });
}

function headingsOf(path: string): string[] {
  const text = (pages.get(path) ?? readFileSync(join(root, path), 'utf8')).replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...text.matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => (heading ?? '').trim());
}

/** As GitHub makes them: the second heading of one name ends in -1. */
function anchorsOf(path: string): string[] {
  const seen = new Map<string, number>();
  return headingsOf(path).map((heading) => {
    const anchor = anchorOf(heading);
    const times = seen.get(anchor) ?? 0;
    seen.set(anchor, times + 1);
    return times === 0 ? anchor : `${anchor}-${times}`;
  });
}

/** Everything set as code: spans and blocks. */
function codeOf(path: string): string {
  const text = pages.get(path) ?? '';
  const blocks = [...text.matchAll(/^```[^\n]*\n([\s\S]*?)^```/gm)].map(([, block]) => block);
  return [...blocks, proseCodeOf(path)].join('\n');
}

/** Code within sentences and tables: there, a flag is always one of ours. */
function proseCodeOf(path: string): string {
  const prose = (pages.get(path) ?? '').replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span).join('\n');
}

async function helpOf(command: string): Promise<string | undefined> {
  const entry = commandTable.find(({ name }) => name === command);
  if (entry === undefined) {
    return undefined;
  }
  if (entry.name === 'operator') {
    return '';
  }
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  const output = { print, note: print, columns: 100, paint: (text: string) => text };
  await (await entry.load()).run({ argv: ['--help'], env: {}, output });
  return lines.join('\n');
}

/** Of services and commands; of npm's own words only those of our scripts. */
async function knownFlags(): Promise<ReadonlySet<string>> {
  const tables = [commonOptions, ...services.map(({ options }) => options)];
  const flags = tables.flatMap((table) => Object.values(table).map(({ flag }) => flag));
  const helps = await Promise.all(commandTable.map(({ name }) => helpOf(name)));
  const ofCommands = helps.flatMap((help) => [...(help ?? '').matchAll(/--([a-z][a-z-]+)/g)].map(([, flag]) => flag ?? ''));
  return new Set([...flags, ...ofCommands, 'help', 'check', 'no-install']);
}

function sources(): string[] {
  return ['shared/src', 'services', 'cli/src']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
    .filter((file) => file.endsWith('.ts') && !/node_modules|\/dist\//.test(file))
    .map((file) => readFileSync(join(root, file), 'utf8'));
}
