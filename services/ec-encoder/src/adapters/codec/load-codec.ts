/** Chooses the engines once, at start: the add-on where it was built and computes rightly, else WebAssembly, else plain TypeScript. */
import { access } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { describeError } from '@couchestor/shared/errors';
import { type ChecksumEngine, referenceChecksums } from '../../domain/codec/crc32c.ts';
import { cauchyMatrix, selectRows } from '../../domain/codec/matrix.ts';
import type { MatrixEngine } from '../../domain/codec/matrix-engine.ts';
import { referenceEngine } from '../../domain/codec/reference-engine.ts';
import { canReadNow } from './can-read-now.ts';
import { NativeError } from './errors.ts';
import type { NativeAddon, NativeRead } from './native-addon.ts';
import { nativeChecksums } from './native-checksums.ts';
import { NativeEngine } from './native-engine.ts';
import { codecFiles, type NativePlace } from './native-files.ts';
import { loadRonomon, type RonomonAddon } from './ronomon-addon.ts';
import { loadWasmEngine } from './wasm-engine.ts';

export interface CodecEngines {
  readonly matrix: MatrixEngine;
  readonly checksums: ChecksumEngine;
  /** Undefined without the add-on, and where the kernel has no such reading. A file system may still refuse it, with -EOPNOTSUPP: fall back there. */
  readonly readNow?: NativeRead;
  /** For vaults of the codec `ronomon`. Rejects with NativeError where it was not built. */
  readonly loadRonomon: () => Promise<RonomonAddon>;
  /** Why the add-on is not used; undefined where it is. To be logged and shown by status. */
  readonly slowBecause?: string;
}

type OwnEngines = Omit<CodecEngines, 'loadRonomon'>;

export interface LoadCodecInput extends NativePlace {
  /** Default: the file in native/. */
  readonly wasmPath?: string;
}

/** Never fails: whatever is wrong with the add-on is told in `slowBecause`. Builds nothing. */
export async function loadCodecEngines(o: LoadCodecInput): Promise<CodecEngines> {
  return { ...(await ownEngines(o)), loadRonomon: () => loadRonomon(o) };
}

async function ownEngines(o: LoadCodecInput): Promise<OwnEngines> {
  try {
    const { path } = await codecFiles(o);
    const addon = await loadNative(path);
    const engines = await enginesOf(addon, o.wasmPath);
    return (await canReadNow(addon.readNow, path)) ? { ...engines, readNow: addon.readNow } : engines;
  } catch (error) {
    return await withoutNative(describeError(error), o.wasmPath);
  }
}

/** Those of the add-on; where it has no vectors for this processor, WebAssembly's are ten times as quick as what it has. Throws NativeError BROKEN. */
export async function enginesOf(addon: NativeAddon, wasmPath?: string): Promise<OwnEngines> {
  const hasVectors = addon.levels.some((name) => name !== null && name !== 'scalar');
  const matrix = hasVectors ? new NativeEngine(addon) : await loadWasmEngine(wasmPath);
  const checksums = nativeChecksums(addon);
  await checkEngines(matrix, checksums);
  return { matrix, checksums };
}

async function withoutNative(slowBecause: string, wasmPath: string | undefined): Promise<OwnEngines> {
  const checksums = referenceChecksums;
  try {
    const matrix = await loadWasmEngine(wasmPath);
    await checkEngines(matrix, checksums);
    return { matrix, checksums, slowBecause };
  } catch (error) {
    return { matrix: referenceEngine, checksums, slowBecause: `${slowBecause}; nor WebAssembly: ${describeError(error)}` };
  }
}

/** Throws NativeError NOT_BUILT or BROKEN. */
export async function loadNative(path: string): Promise<NativeAddon> {
  await access(path).catch((cause: unknown) => {
    throw new NativeError('NOT_BUILT', { path }, { cause });
  });
  try {
    return createRequire(import.meta.url)(path) as NativeAddon;
  } catch (cause) {
    throw new NativeError('BROKEN', { path }, { cause });
  }
}

/** Enough bytes for every stretch of a kernel and of the checksum: several vectors, and a rest. */
const sampleBytes = 4_999;
const sampleCode = { dataShards: 5, parityShards: 7 };

/** A miscompiled kernel, or a processor that lies about what it has, would write parity that is of no use. Half a millisecond rules it out. */
export async function checkEngines(matrix: MatrixEngine, checksums: ChecksumEngine): Promise<void> {
  const { dataShards, parityShards } = sampleCode;
  const rows = Array.from({ length: parityShards }, (_, row) => dataShards + row);
  const parity = selectRows(cauchyMatrix(sampleCode), rows);
  const sources = Array.from({ length: dataShards }, (_, shard) =>
    Uint8Array.from({ length: sampleBytes }, (_, at) => at * (shard + 7) + (at >> 8)),
  );
  const targets = rows.map(() => new Uint8Array(sampleBytes));
  await matrix.multiply({ matrix: parity, sources, targets });
  const differing = await referenceEngine.differing({ matrix: parity, sources, targets });
  const isSummed = sources.every((source) => checksums.crc32c(source, 1) === referenceChecksums.crc32c(source, 1));
  if (differing.length > 0 || !isSummed) {
    throw new NativeError('BROKEN', { engine: matrix.name, wrongRows: differing.join(), wrongChecksums: !isSummed });
  }
}
