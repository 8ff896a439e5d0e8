/** Whether NATS and Redis keep what they are given. */
import { amiss, type Check, count, notChecked, ok } from '../check.ts';

/** From here on `sync_interval: always` holds for what JetStream acknowledges. */
const natsDurableFrom = [2, 10, 23];
const natsFrom = [2, 9, 0];
const redisFrom = [6, 2, 0];

export const natsKeeps: Check = {
  id: 'nats',
  asks: 'Has NATS JetStream, and are our streams on disk?',
  judge: ({ nats }) => {
    if (nats.kind !== 'seen') {
      return notChecked(nats.why);
    }
    const { version, jetStream, streams } = nats.value;
    if (!jetStream) {
      return amiss('problem', {
        finding: `NATS ${version} without JetStream: nothing can be stored`,
        cure: 'start nats-server with JetStream and a store_dir on disk',
      });
    }
    const inMemory = streams.filter(({ onDisk }) => !onDisk).map(({ name }) => `stream ${name} is in memory`);
    if (inMemory.length > 0) {
      return amiss('problem', {
        finding: `${inMemory.length} of ${count(streams.length, 'stream')} in memory: a restart of NATS loses them`,
        details: inMemory,
        cure: 'with the services stopped and no move open, nats stream rm <stream>: they are made anew, on disk',
      });
    }
    const told = `NATS ${version}, ${count(streams.length, 'stream')} on disk`;
    if (isOlder(version, natsFrom)) {
      return amiss('problem', { finding: told, cure: 'upgrade NATS to 2.9 or newer' });
    }
    return isOlder(version, natsDurableFrom)
      ? amiss('warning', {
          finding: `${told}; a loss of power may take the last seconds of acknowledged records`,
          cure: 'upgrade NATS to 2.10.23 or newer and set sync_interval: always',
        })
      : ok(`${told}; whether sync_interval is always cannot be asked`);
  },
};

export const redisKeeps: Check = {
  id: 'redis',
  asks: 'Has Redis an append-only file, and maxmemory-policy noeviction?',
  judge: ({ redis }) => {
    if (redis.kind === 'absent') {
      return notChecked(redis.why);
    }
    if (redis.kind === 'failed') {
      return amiss('problem', {
        finding: `Redis does not answer: ${redis.why}`,
        cure: 'correct --redis-url, or start Redis: no move begins without it',
      });
    }
    const { version, maxmemoryPolicy, appendOnly } = redis.value;
    const told = `Redis ${version}, maxmemory-policy ${maxmemoryPolicy}, appendonly ${appendOnly ? 'yes' : 'no'}`;
    if (isOlder(version, redisFrom)) {
      return amiss('problem', { finding: told, cure: 'upgrade Redis to 6.2 or newer' });
    }
    if (maxmemoryPolicy !== 'noeviction') {
      return amiss('problem', { finding: `${told}: under pressure it drops jobs`, cure: 'set maxmemory-policy noeviction' });
    }
    return appendOnly
      ? ok(told)
      : amiss('warning', {
          finding: `${told}: a restart loses jobs, which come back by the next sweep`,
          cure: 'set appendonly yes',
        });
  },
};

function isOlder(version: string, than: readonly number[]): boolean {
  const parts = version.split(/[^0-9]+/).map(Number);
  for (const [index, least] of than.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) {
      return part < least;
    }
  }
  return false;
}
