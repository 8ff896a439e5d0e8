import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf } from './layout.ts';
import { vaultOptions } from './service-specs.ts';
import { areDrivesMade, noteDrivesMade, vaultHindrance } from './vault-place.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-place-'));
});

afterEach(() => rm(folder, { recursive: true }));

describe('the vault of the local stack', () => {
  it('is left out where its sockets would have too long a path, with the cure', async () => {
    const long = layoutOf({ dataDir: join(folder, 'x'.repeat(100)), env: {} });
    await mkdir(long.dataDir);
    expect(await vaultHindrance(long)).toMatch(/api\.sock is longer than the path of a socket may be.*shorter --data-dir/);
    expect(await vaultHindrance(layoutOf({ dataDir: folder, env: {} }))).toBeUndefined();
  });

  it('is given its drives once: from then on it knows itself which it has', async () => {
    const layout = layoutOf({ dataDir: folder, env: {} });
    const drivesGiven = async (): Promise<number> => {
      const ops = { metricsUrl: 'http://127.0.0.1:1', healthUrl: 'http://127.0.0.1:2' };
      const options = vaultOptions({ natsUrl: 'nats://127.0.0.1:3', layout, ops, areDrivesMade: await areDrivesMade(layout) });
      return options.filter((word) => word === '--drive').length;
    };
    expect(await drivesGiven()).toBe(6);
    await mkdir(layout.drivesDir, { recursive: true });
    await noteDrivesMade(layout);
    expect(await drivesGiven()).toBe(0);
  });
});
