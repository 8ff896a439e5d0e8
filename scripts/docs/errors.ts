/** docs/errors.md: everything that can go wrong, with what it means and what cures it. */
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { endings } from '@couchestor/migrator/domain/endings';
import type { ErrorConstructorOf } from '@couchestor/shared/errors';
import { refusals } from '@couchestor/shared/placement/refusals';
import { code, generatedPage, table } from './markdown.ts';

type ErrorTable = ErrorConstructorOf<string>;

const root = fileURLToPath(new URL('../..', import.meta.url));
const sourceFolders = ['shared/src', 'services', 'cli/src'];

export async function errorsPage(): Promise<string> {
  const tables = await findErrorTables();
  return generatedPage({
    title: 'Errors, endings and refusals',
    from: 'every defineErrors table, services/migrator/src/domain/endings.ts and shared/src/placement/refusals.ts',
    intro:
      'Every error has a code, facts (ids, names, numbers) and a verdict: whether the same thing may succeed later without anybody changing anything. On the bus the verdict decides between another delivery and the dead-letter stream. What to do about each refusal and ending stands in the [runbook](runbook.md), about a symptom in [troubleshooting](troubleshooting.md).',
    sections: [endingsSection(), refusalsSection(), ...tables.map(tableSection)],
  });
}

/** All tables there are, found in the source, so that none is forgotten. */
export async function findErrorTables(): Promise<{ file: string; errors: ErrorTable }[]> {
  const found: { file: string; errors: ErrorTable }[] = [];
  for (const file of await sourceFiles()) {
    if (/= defineErrors\(/.test(await readFile(join(root, file), 'utf8'))) {
      const module = (await import(pathToFileURL(join(root, file)).href)) as Record<string, unknown>;
      found.push(
        ...Object.values(module)
          .filter(isErrorTable)
          .map((errors) => ({ file, errors })),
      );
    }
  }
  return found.sort((left, right) => (left.errors.domain < right.errors.domain ? -1 : 1));
}

async function sourceFiles(): Promise<string[]> {
  const found: string[] = [];
  for (const folder of sourceFolders) {
    const names = await readdir(join(root, folder), { recursive: true });
    found.push(...names.map((name) => join(folder, name).split(sep).join('/')));
  }
  return found.filter(
    (file) => file.includes('/src/') && file.endsWith('.ts') && !/\.(test|fixture|conformance)\.ts$|node_modules|\/dist\//.test(file),
  );
}

function isErrorTable(value: unknown): value is ErrorTable {
  return typeof value === 'function' && 'domain' in value && 'table' in value;
}

function endingsSection(): string {
  const rows = Object.entries(endings).map(([name, { outcome, help }]) => [code(name), outcome, help]);
  return [
    '## How a move ends',
    'The code of a move that was started. `success`, `failed` and `aborted` are counted in `couchestor_migrations_total`; `no-op` and `kept-old` are not.',
    table(['Code', 'Outcome', 'What happened, and what to do'], rows),
  ].join('\n\n');
}

function refusalsSection(): string {
  const rows = Object.entries(refusals).map(([name, help]) => [code(`REFUSED_${name}`), help]);
  return [
    '## Refusals',
    'A move that cannot be made is refused before anything is touched, and counted in `couchestor_migration_refusals_total`. It is tried again only when its cause has changed.',
    table(['Code', 'Why, and what to do'], rows),
  ].join('\n\n');
}

function tableSection({ file, errors }: { file: string; errors: ErrorTable }): string {
  const rows = Object.entries(errors.table).map(([name, { retry, help }]) => [
    code(`${errors.domain}_${name}`),
    retry ? 'yes' : 'no',
    help,
  ]);
  return [`## ${errors.domain}`, `From ${code(file)}.`, table(['Code', 'May pass by itself', 'What happened, and what to do'], rows)].join(
    '\n\n',
  );
}
