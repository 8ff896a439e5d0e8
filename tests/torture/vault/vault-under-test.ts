/** A vault in which everything is small, so that within seconds segments end, the journal is destaged and what is dead is collected. */
import { basename, join } from 'node:path';
import { erasureCodingPolicySpecSchema } from '@couchestor/shared/erasure-coding-policy';
import type { Logger } from '@couchestor/shared/logger';
import type { OpenVaultOptions } from '../../../services/ec-encoder/src/vault/vault-api.ts';
import { unitBytes } from './stamped-bytes.ts';

export interface Code {
  readonly dataShards: number;
  readonly parityShards: number;
}

const stripeSizeBytes = 65_536;
/** Of a full stripe. */
export const stripeUnits = stripeSizeBytes / unitBytes;

export function drivePath(root: string, number: number): string {
  return join(root, `drive-${number}`);
}

export function openOptions(
  o: { readonly root: string; readonly code: Code; readonly drives: readonly string[] },
  logger: Logger,
): OpenVaultOptions {
  const spec = erasureCodingPolicySpecSchema.parse({
    ...o.code,
    stripeSizeBytes,
    journalConfig: { journalSizeBytes: 1024 * 1024, replicationFactor: 3, destageInterval: '1s', destageThresholdPercent: 50 },
  });
  return {
    dataDir: join(o.root, 'data'),
    // Disks of their own, wherever a copy of them lies.
    drives: o.drives.map((path) => ({ path, domain: { disk: basename(path) } })),
    journal: [],
    policy: { name: 'torture', spec },
    throttle: { rebuildBytesPerSecond: 0, scrubBytesPerSecond: 0 },
    segmentBytes: 512 * 1024,
    acceptJournalLoss: false,
    env: process.env,
    logger,
    observer: { driveCall: () => undefined },
    signal: new AbortController().signal,
  };
}
