/** What NATS and Redis say of themselves. Nothing is made or changed there. */
import { isMissingStream } from '@couchestor/shared/bus/errors';
import { serverOf } from '@couchestor/shared/bus/server-of';
import { buckets, streams } from '@couchestor/shared/contracts/registry';
import { bucketStream } from '@couchestor/shared/contracts/subjects';
import { Redis } from 'ioredis';
import { connect, StorageType } from 'nats';
import type { NatsFacts, RedisFacts } from '../facts.ts';

export async function lookAtNats(url: string, o: { timeoutMs: number }): Promise<NatsFacts> {
  const nats = await connect({
    ...serverOf(url),
    name: 'couchestor doctor',
    timeout: o.timeoutMs,
    reconnect: false,
    maxReconnectAttempts: 0,
  });
  try {
    const version = nats.info?.version ?? 'of unknown version';
    const manager = await nats.jetstreamManager({ timeout: o.timeoutMs, checkAPI: true }).catch(() => undefined);
    if (manager === undefined) {
      return { version, jetStream: false, streams: [] };
    }
    const found: NatsFacts['streams'][number][] = [];
    // One by one: the user of the cli may ask for ours, and for no list of all.
    for (const name of [...streams.map((stream) => stream.name), ...buckets.map(bucketStream)]) {
      const info = await manager.streams.info(name).catch(missing);
      if (info !== undefined) {
        found.push({ name, onDisk: info.config.storage === StorageType.File });
      }
    }
    return { version, jetStream: true, streams: found };
  } finally {
    await nats.close();
  }
}

function missing(error: unknown): undefined {
  if (!isMissingStream(error)) {
    throw error;
  }
}

export async function lookAtRedis(url: string, o: { timeoutMs: number }): Promise<RedisFacts> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: o.timeoutMs,
    commandTimeout: o.timeoutMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    enableReadyCheck: false,
  });
  // Without a listener a refused connection would end the process; the call fails with it, too.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    const info = await redis.info();
    const field = (name: string): string => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim() ?? 'not told';
    return { version: field('redis_version'), maxmemoryPolicy: field('maxmemory_policy'), appendOnly: field('aof_enabled') === '1' };
  } finally {
    redis.disconnect();
  }
}
