import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSources, withSourceLines, withSourceTypes } from './debian-sources.ts';

test('each stanza of a deb822 file asks for sources too, whatever it asked for before', () => {
  const text = [
    '# from the installer',
    'Types: deb',
    'URIs: http://deb.debian.org/debian',
    'Suites: bookworm bookworm-updates',
    'Components: main',
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
    '',
    'types:   deb-src',
    'URIs: http://deb.debian.org/debian-security',
    'Enabled: no',
  ].join('\n');
  expect(withSourceTypes(text)).toBe(text.replace('Types: deb', 'Types: deb deb-src').replace('types:   deb-src', 'Types: deb deb-src'));
});

test('each deb line of a one-line file has its deb-src line once, and the rest stays', () => {
  const text = [
    '# deb cdrom:[Debian]/ bookworm main',
    'deb [signed-by=/etc/apt/keyrings/a.gpg] http://deb.debian.org/debian bookworm main contrib',
    'deb-src http://deb.debian.org/debian bookworm main',
    '  deb\thttp://security.debian.org/debian-security bookworm-security main',
    '',
  ].join('\n');
  expect(withSourceLines(text).split('\n')).toEqual([
    '# deb cdrom:[Debian]/ bookworm main',
    'deb [signed-by=/etc/apt/keyrings/a.gpg] http://deb.debian.org/debian bookworm main contrib',
    'deb-src [signed-by=/etc/apt/keyrings/a.gpg] http://deb.debian.org/debian bookworm main contrib',
    '  deb\thttp://security.debian.org/debian-security bookworm-security main',
    'deb-src\thttp://security.debian.org/debian-security bookworm-security main',
    '',
  ]);
});

test('both formats are found wherever apt looks for them, and nothing else is', async () => {
  const etc = await mkdtemp(join(tmpdir(), 'couchestor-apt-'));
  await mkdir(join(etc, 'sources.list.d'));
  await writeFile(join(etc, 'sources.list'), 'deb http://a bookworm main\n');
  await writeFile(join(etc, 'sources.list.d', 'debian.sources'), 'Types: deb\n');
  await writeFile(join(etc, 'sources.list.d', 'debian.sources.bak'), 'Types: deb\n');
  expect(await readSources(etc)).toEqual([
    { name: 'sources.list', text: 'deb http://a bookworm main\ndeb-src http://a bookworm main\n' },
    { name: 'sources.list.d-debian.sources', text: 'Types: deb deb-src\n' },
  ]);
  await rm(etc, { recursive: true });
});

test('a machine without sources has none', async () => {
  expect(await readSources('/nowhere/etc/apt')).toEqual([]);
});
