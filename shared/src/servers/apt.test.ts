import { expect, test } from 'vitest';
import { isRuntimeLibrary, parseSimulation } from './apt.ts';

test('the lines of a simulated installation give names and exact versions', () => {
  const output = [
    'NOTE: This is only a simulation!',
    'Inst libjemalloc2 (5.3.0-1 Debian:12.15/oldstable [amd64])',
    'Inst redis-tools [5:7.0.1-1] (5:7.0.15-1~deb12u10 Debian-Security:12/oldstable-security [amd64])',
    'Inst libssl3:arm64 (3.0.1 Debian:12 [arm64])',
    'Conf libjemalloc2 (5.3.0-1 Debian:12.15/oldstable [amd64])',
  ].join('\n');
  expect(parseSimulation(output)).toEqual([
    { name: 'libjemalloc2', version: '5.3.0-1' },
    { name: 'redis-tools', version: '5:7.0.15-1~deb12u10' },
    { name: 'libssl3', version: '3.0.1' },
  ]);
});

test.each(['libjemalloc2', 'liblzf1', 'libssl3', 'libatomic1', 'libsystemd0'])('%s is loaded by programs', (name) => {
  expect(isRuntimeLibrary(name)).toBe(true);
});

test.each([
  'libjs-jquery',
  'libc6',
  'libtext-glob-perl',
  'libaudit-common',
  'adduser',
  'fonts-glyphicons-halflings',
  'init-system-helpers',
])('%s is left out', (name) => {
  expect(isRuntimeLibrary(name)).toBe(false);
});
