import { expect, test } from 'vitest';
import { planOf } from './container.ts';

const prometheus = { scrapeIntervalMs: 1_000, targets: [{ job: 'mayastor', address: '127.0.0.1:9' }] };

test.each(['nats-server', 'redis-server', 'prometheus'] as const)(
  '%s in a container reads its configuration and keeps its data in the mounted folder',
  (name) => {
    const plan = planOf(name, 4_321, { prometheus });
    expect(plan.command.join(' ')).toContain(`/couchestor/${plan.configFile}`);
    expect(`${plan.config} ${plan.command.join(' ')}`).toMatch(/dir "\/couchestor"|store_dir: "\/couchestor|path=\/couchestor/);
  },
);

test.each(['nats-server', 'redis-server', 'prometheus'] as const)('%s in a container listens on loopback only', (name) => {
  const plan = planOf(name, 4_321, { prometheus });
  expect(plan.url).toContain('127.0.0.1:4321');
  expect(`${plan.config} ${plan.command.join(' ')}`).toMatch(
    /host: 127\.0\.0\.1\nport: 4321|bind 127\.0\.0\.1\nport 4321|listen-address=127\.0\.0\.1:4321/,
  );
});
