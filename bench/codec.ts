/**
 * How near the codec comes to a plain copy of the same bytes, and to Debian's libisal, in one run: the measurements of a row follow one
 * another again and again, and of each the quickest counts. GB/s is data in. `cold` goes round more stripes than the caches hold; `warm` takes
 * one stripe again and again. libisal runs in a program of its own, so it is given against that program's copy too. What it takes to decode
 * it shows by encoding as many shards as were lost: its work is the same.
 */
import { cpus } from 'node:os';
import { buildNative, buildRonomon } from '@couchestor/ec-encoder/adapters/codec/build-native';
import { loadNative } from '@couchestor/ec-encoder/adapters/codec/load-codec';
import type { NativeAddon } from '@couchestor/ec-encoder/adapters/codec/native-addon';
import { nativeChecksums } from '@couchestor/ec-encoder/adapters/codec/native-checksums';
import { NativeEngine } from '@couchestor/ec-encoder/adapters/codec/native-engine';
import { loadRonomon, type RonomonAddon } from '@couchestor/ec-encoder/adapters/codec/ronomon-addon';
import { RonomonCodec } from '@couchestor/ec-encoder/adapters/codec/ronomon-codec';
import { loadWasmEngine } from '@couchestor/ec-encoder/adapters/codec/wasm-engine';
import { referenceChecksums } from '@couchestor/ec-encoder/domain/codec/crc32c';
import { cauchyMatrix, invert, type Matrix, multiplyMatrices, selectRows } from '@couchestor/ec-encoder/domain/codec/matrix';
import type { MatrixEngine } from '@couchestor/ec-encoder/domain/codec/matrix-engine';
import { referenceEngine } from '@couchestor/ec-encoder/domain/codec/reference-engine';
import { IsalCell, type IsalProgram, isalProgram } from './isal.ts';

const codes = [
  { dataShards: 4, parityShards: 2 },
  { dataShards: 8, parityShards: 3 },
  { dataShards: 10, parityShards: 4 },
];
const works = ['encode', 'decode 1', 'decode m'] as const;
type Work = (typeof works)[number];
/**
 * How our kernels compare with those of ISA-L 2.32, which Debian 12 lacks: GB/s of ours per GB/s of its, both in C, on one core of an EPYC with
 * GFNI, measured once. By stripe and caches, code and work in the order above. What a row says of libisal is about 2.30, which has no GFNI.
 */
const perIsal232: Readonly<Record<string, readonly (readonly number[])[]>> = {
  '64 KiB warm': [
    [1.04, 0.99, 1.01],
    [1.14, 1.08, 1.15],
    [0.94, 1.0, 0.94],
  ],
  '1 MiB warm': [
    [1.01, 1.01, 1.03],
    [1.11, 1.12, 1.12],
    [0.96, 1.0, 0.99],
  ],
  '1 MiB cold': [
    [1.22, 1.13, 1.17],
    [1.15, 1.07, 1.26],
    [1.12, 0.99, 1.17],
  ],
  '16 MiB cold': [
    [1.25, 1.13, 1.25],
    [1.16, 1.08, 1.16],
    [1.59, 0.98, 1.04],
  ],
};
const KiB = 1024;
const MiB = 1024 * KiB;
const sizes = [
  { name: '64 KiB', stripeBytes: 64 * KiB },
  { name: '1 MiB', stripeBytes: MiB },
  { name: '16 MiB', stripeBytes: 16 * MiB },
];
/** More than the caches of this kind of machine hold. */
const coldBytes = 128 * MiB;
const repetitions = 9;
/** Of one measurement: long against the clock, short against what else the machine does. */
const measuredBytes = 24 * MiB;
/** Of the engines for want of a better one, which are slow. */
const slowBytes = 4 * MiB;
const inFlight = 4;

interface Stripe {
  readonly sources: readonly Buffer[];
  readonly targets: readonly Buffer[];
}

export async function run(): Promise<void> {
  const log = (line: string) => console.error(line);
  const { env } = process;
  const addon = await loadNative(await buildNative({ env, log }));
  await buildRonomon({ env, log });
  const engines = {
    addon,
    engine: new NativeEngine(addon),
    wasm: await loadWasmEngine(),
    ronomon: await loadRonomon({ env }),
    isal: await isalProgram(log),
  };
  console.log(
    `${cpus()[0]?.model}; ${engines.engine.name}; checksums ${addon.crc32cEngines.at(-1)}; async: ${inFlight} stripes in flight, ronomon too`,
  );
  const columns = [
    ...['code', 'stripe', 'caches', 'work', 'copy GB/s', 'add-on sync GB/s', 'sync / copy', 'async / copy', 'WebAssembly / copy'],
    ...['reference / copy', 'ronomon / copy', 'async / ronomon', 'libisal GB/s', 'libisal / its copy', 'sync / libisal', 'async / libisal'],
    'kernels / ISA-L 2.32',
  ];
  console.log(`| ${columns.join(' | ')} |\n|${'---|'.repeat(columns.length)}`);
  for (const size of sizes) {
    for (const code of codes) {
      for (const caches of size.stripeBytes > 4 * MiB ? (['cold'] as const) : (['warm', 'cold'] as const)) {
        for (const work of works) {
          console.log(await row({ ...code, ...size, caches, work, ...engines }));
        }
      }
    }
  }
  checksums(addon);
}

interface RowInput {
  readonly dataShards: number;
  readonly parityShards: number;
  readonly name: string;
  readonly stripeBytes: number;
  readonly caches: 'warm' | 'cold';
  readonly work: Work;
  readonly addon: NativeAddon;
  readonly engine: NativeEngine;
  readonly wasm: MatrixEngine;
  readonly ronomon: RonomonAddon;
  readonly isal: IsalProgram | undefined;
}

/** Which shards a row computes. Decoding computes data shards; where fewer than all parity shards are needed, the first ones serve. */
function wantedOf({ dataShards, parityShards, work }: RowInput): number[] {
  const count = work === 'decode 1' ? 1 : parityShards;
  return Array.from({ length: count }, (_, index) => (work === 'encode' ? dataShards + index : index));
}

function matrixOf(o: RowInput): Matrix {
  const code = cauchyMatrix(o);
  const wanted = wantedOf(o);
  if (o.work === 'encode') {
    return selectRows(code, wanted);
  }
  const survivors = Array.from({ length: o.dataShards }, (_, index) => wanted.length + index);
  return multiplyMatrices(selectRows(code, wanted), invert(selectRows(code, survivors)));
}

async function row(o: RowInput): Promise<string> {
  const { dataShards, parityShards } = o;
  const shardBytes = Math.floor(o.stripeBytes / dataShards / 64) * 64;
  const dataBytes = shardBytes * dataShards;
  const wanted = wantedOf(o);
  const stripes = o.caches === 'warm' ? 1 : Math.max(2, Math.ceil(coldBytes / (shardBytes * (dataShards + wanted.length))));
  const pool = Array.from({ length: stripes }, () => stripeOf({ dataShards, wanted: wanted.length, shardBytes }));
  const matrix = matrixOf(o);
  const copies = Array.from({ length: dataShards }, () => Buffer.allocUnsafeSlow(shardBytes).fill(1));
  const isal = o.isal === undefined ? undefined : new IsalCell(o.isal, { dataShards, parityShards: wanted.length, shardBytes, stripes });
  const ronomon = new RonomonCodec({ dataShards, parityShards }, o.ronomon);
  const count = Math.max(1, Math.round(measuredBytes / dataBytes));
  const best = { copy: 0, sync: 0, async: 0, wasm: 0, reference: 0, ronomon: 0, isal: 0, isalCopy: 0 };
  const note = (name: keyof typeof best, stripesDone: number, nanoseconds: number) => {
    best[name] = Math.max(best[name], (stripesDone * dataBytes) / nanoseconds);
  };
  let next = 0;
  const nextStripe = (): Stripe => pool[next++ % stripes] as Stripe;
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const copying = clocked(count, () => copy(nextStripe(), copies));
    note('copy', count, copying);
    const encoding = clocked(count, () => computeNow(o.addon, matrix, nextStripe()));
    note('sync', count, encoding);
    note('async', count, await clockedInFlight(count, () => o.engine.multiply({ matrix, ...nextStripe() })));
    note('ronomon', count, await clockedInFlight(count, () => byRonomon(ronomon, nextStripe(), wanted)));
    if (isal !== undefined) {
      note('isalCopy', count, await isal.measure('copy', count));
      note('isal', count, await isal.measure('encode', count));
    }
  }
  const few = Math.max(1, Math.round(slowBytes / dataBytes));
  for (const [name, other] of [
    ['wasm', o.wasm],
    ['reference', referenceEngine],
  ] as const) {
    const from = process.hrtime.bigint();
    for (let done = 0; done < few; done += 1) {
      await other.multiply({ matrix, ...nextStripe() });
    }
    note(name, few, Number(process.hrtime.bigint() - from));
  }
  isal?.close();
  const ratio = (a: number, b: number) => (b === 0 ? '-' : (a / b).toFixed(2));
  const known = perIsal232[`${o.name} ${o.caches}`]?.[codes.findIndex((code) => code.dataShards === dataShards)]?.[works.indexOf(o.work)];
  const cells = [
    best.copy.toFixed(1),
    best.sync.toFixed(1),
    ratio(best.sync, best.copy),
    ratio(best.async, best.copy),
    ratio(best.wasm, best.copy),
    (best.reference / best.copy).toFixed(3),
    ratio(best.ronomon, best.copy),
    ratio(best.async, best.ronomon),
    best.isal === 0 ? '-' : best.isal.toFixed(1),
    ratio(best.isal, best.isalCopy),
    ratio(best.sync, best.isal),
    ratio(best.async, best.isal),
    known?.toFixed(2) ?? '-',
  ];
  return `| ${dataShards}+${parityShards} | ${o.name} | ${o.caches} | ${o.work} | ${cells.join(' | ')} |`;
}

function stripeOf({ dataShards, wanted, shardBytes }: { dataShards: number; wanted: number; shardBytes: number }): Stripe {
  const shards = (count: number) => Array.from({ length: count }, (_, shard) => Buffer.allocUnsafeSlow(shardBytes).fill(shard * 37 + 1));
  return { sources: shards(dataShards), targets: shards(wanted) };
}

/** As the vault would have it: into memory that is there. The bytes are no code words, which nothing here looks at. */
async function byRonomon(codec: RonomonCodec, { sources, targets }: Stripe, wanted: readonly number[]): Promise<void> {
  if ((wanted[0] ?? 0) >= codec.dataShards) {
    await codec.encode(sources, targets);
    return;
  }
  const lost = wanted.map(() => undefined);
  const left = codec.dataShards + codec.parityShards - wanted.length - sources.length;
  await codec.reconstruct({ shards: [...lost, ...sources, ...Array.from({ length: left }, () => undefined)], wanted, into: targets });
}

function copy({ sources }: Stripe, copies: readonly Buffer[]): void {
  for (let shard = 0; shard < sources.length; shard += 1) {
    copies[shard]?.set(sources[shard] ?? []);
  }
}

/** As the engine does with what is small, whatever the size. */
function computeNow(addon: NativeAddon, matrix: Matrix, { sources, targets }: Stripe): void {
  const bytes = (sources.length + targets.length) * (sources[0]?.length ?? 0);
  addon.run(
    addon.levels.findLastIndex((name) => name !== null),
    matrix.cells,
    sources,
    targets,
    false,
    bytes > 4 * MiB,
  );
}

function clocked(count: number, work: () => void): number {
  const from = process.hrtime.bigint();
  for (let done = 0; done < count; done += 1) {
    work();
  }
  return Number(process.hrtime.bigint() - from);
}

async function clockedInFlight(count: number, work: () => Promise<void>): Promise<number> {
  const from = process.hrtime.bigint();
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return Number(process.hrtime.bigint() - from);
}

function checksums(addon: NativeAddon): void {
  const blockBytes = 4 * KiB;
  const shard = Buffer.allocUnsafeSlow(256 * KiB).fill(7);
  const seeds = new Uint32Array(shard.length / blockBytes);
  const target = Buffer.allocUnsafeSlow(shard.length);
  const engine = nativeChecksums(addon);
  const best = { copy: 0, native: 0, reference: 0 };
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const gigabytes = (nanoseconds: number, count: number) => (count * shard.length) / nanoseconds;
    best.copy = Math.max(
      best.copy,
      gigabytes(
        clocked(64, () => target.set(shard)),
        64,
      ),
    );
    best.native = Math.max(
      best.native,
      gigabytes(
        clocked(64, () => engine.crc32cBlocks(shard, blockBytes, seeds)),
        64,
      ),
    );
    best.reference = Math.max(
      best.reference,
      gigabytes(
        clocked(4, () => referenceChecksums.crc32cBlocks(shard, blockBytes, seeds)),
        4,
      ),
    );
  }
  console.log(
    `CRC-32C of 256 KiB in blocks of 4 KiB, warm: add-on ${best.native.toFixed(1)} GB/s, ${(best.native / best.copy).toFixed(2)} of a copy; ` +
      `reference ${best.reference.toFixed(2)} GB/s`,
  );
}
