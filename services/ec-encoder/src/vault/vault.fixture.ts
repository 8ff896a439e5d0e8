/** A vault over folders of its own, for tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { erasureCodingPolicySpecSchema } from '@couchestor/shared/erasure-coding-policy';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import type { z } from 'zod';
import { openVault } from './vault.ts';
import type { OpenVaultOptions, VaultApi } from './vault-api.ts';

export interface TestVaultOptions {
  readonly drives?: number;
  readonly spec?: z.input<typeof erasureCodingPolicySpecSchema>;
  readonly options?: Partial<OpenVaultOptions>;
}

const smallSpec: z.input<typeof erasureCodingPolicySpecSchema> = {
  stripeSizeBytes: 262_144,
  journalConfig: { journalSizeBytes: 8 * 1024 * 1024, replicationFactor: 1, destageInterval: '1h' },
};

export interface TestVaultFolder {
  readonly dir: string;
  drivePath(number: number): string;
  /** `options` of this time alone. */
  open(options?: Partial<OpenVaultOptions>): Promise<VaultApi>;
  remove(): Promise<void>;
}

/** Nothing is open yet. Each drive says that it is a disk of its own. */
export async function testVaultFolder(o: TestVaultOptions = {}): Promise<TestVaultFolder> {
  const dir = await mkdtemp(join(tmpdir(), 'couchestor-vault-'));
  const drivePath = (number: number) => join(dir, `drive-${number}`);
  const spec = erasureCodingPolicySpecSchema.parse({ ...smallSpec, ...o.spec });
  return {
    dir,
    drivePath,
    open: (options = {}) =>
      openVault({
        dataDir: join(dir, 'data'),
        drives: Array.from({ length: o.drives ?? 6 }, (_, index) => ({
          path: drivePath(index + 1),
          domain: { disk: `disk-${index + 1}` },
        })),
        journal: [],
        policy: { name: 'gold', spec },
        throttle: { rebuildBytesPerSecond: 0, scrubBytesPerSecond: 0 },
        acceptJournalLoss: false,
        env: process.env,
        logger: quietLogger(),
        observer: { driveCall: () => undefined },
        signal: new AbortController().signal,
        ...o.options,
        ...options,
      }),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}
