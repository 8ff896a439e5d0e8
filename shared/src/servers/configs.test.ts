import { expect, test } from 'vitest';
import { natsConfig, prometheusConfig, redisConfig } from './configs.ts';

test('NATS syncs every write where its version knows how, and is not asked to where it would refuse', () => {
  const base = { port: 4222, storeDir: '/data/js' };
  expect(natsConfig({ ...base, version: '2.10.23' })).toContain('sync_interval: always');
  expect(natsConfig({ ...base, version: '2.9.10' })).not.toContain('sync_interval');
});

test('Redis keeps an append-only file and drops no key', () => {
  const config = redisConfig({ port: 6379, dataDir: '/data/with "quotes"', appendFsync: 'always' });
  expect(config).toContain('appendfsync always');
  expect(config).toContain('maxmemory-policy noeviction');
  expect(config).toContain('dir "/data/with \\"quotes\\""');
});

test('Prometheus may scrape more often than each second, with a timeout that is no longer', () => {
  const config = JSON.parse(
    prometheusConfig({
      scrapeIntervalMs: 250,
      targets: [
        { job: 'a', address: '127.0.0.1:1' },
        { job: 'b', address: '127.0.0.1:2' },
        { job: 'a', address: '127.0.0.1:3' },
      ],
    }),
  ) as object;
  expect(config).toMatchObject({
    global: { scrape_interval: '250ms', scrape_timeout: '250ms' },
    scrape_configs: [
      { job_name: 'a', static_configs: [{ targets: ['127.0.0.1:1', '127.0.0.1:3'] }] },
      { job_name: 'b', static_configs: [{ targets: ['127.0.0.1:2'] }] },
    ],
  });
});
