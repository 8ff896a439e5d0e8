import { expect, test } from 'vitest';
import { loopbackUrl, parseAddress } from './address.ts';

test.each([
  ['0.0.0.0:8080', { host: '0.0.0.0', port: 8080 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:8081', { host: '::1', port: 8081 }],
])('%s is read', (text, address) => {
  expect(parseAddress(text)).toEqual(address);
});

test.each(['8080', ':8080', 'localhost', 'localhost:65536', '::1:8080', 'http://localhost:1', ''])(
  '"%s" is refused with an example',
  (text) => {
    expect(() => parseAddress(text)).toThrow('write host:port');
  },
);

test('what listens on all interfaces is reached over loopback', () => {
  expect(loopbackUrl({ host: '0.0.0.0', port: 1 })).toBe('http://127.0.0.1:1');
  expect(loopbackUrl({ host: '::', port: 2 })).toBe('http://[::1]:2');
});
