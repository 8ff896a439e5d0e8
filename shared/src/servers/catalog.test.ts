import { expect, test } from 'vitest';
import { isAtLeast, serverCatalog } from './catalog.ts';

test.each([
  ['2.9.10', '2.9.0', true],
  ['2.9.10', '2.10.0', false],
  ['2.10.23', '2.10.23', true],
  ['10.0.0', '9.9.9', true],
  ['2.10.3', '2.10.23', false],
])('%s is at least %s: %s', (version, least, answer) => {
  expect(isAtLeast(version, least)).toBe(answer);
});

test.each([
  ['nats-server', 'nats-server: v2.9.10', '2.9.10'],
  ['redis-server', 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64', '7.0.15'],
  ['prometheus', 'prometheus, version 2.42.0+ds (branch: debian/sid, revision: 2.42.0+ds-5)', '2.42.0'],
] as const)('the version of %s is found in what it prints', (name, printed, version) => {
  expect(serverCatalog[name].versionPattern.exec(printed)?.[1]).toBe(version);
});
