/**
 * One round of fio's nbd engine against a volume: several jobs, each over a connection of its own and with a part of the volume of its own, that
 * write, trim and read at once. Every block that is read is checked by the checksum and the place that fio wrote into it.
 */
import { execFile } from 'node:child_process';
import { storageClient } from '@couchestor/shared/testing/storage-clients';
import { z } from 'zod';

const mebibyte = 2 ** 20;
/** A hung drive holds a round up for its deadline, and other programs take their share of the processor. */
const roundTimeoutMs = 240_000;
/** What it says when all is well. */
const idle = /connected to NBD server$/;
const outputBytesMax = 16 * mebibyte;

export interface FioRoundInput {
  /** Used in turn. */
  readonly uris: readonly string[];
  readonly seed: number;
  /** Of each job. */
  readonly jobMib: number;
  /** Where fio may leave its files. */
  readonly dir: string;
}

export interface FioRoundResult {
  /** What fio complained about; empty where it read nothing but what it had written. */
  readonly complaints: readonly string[];
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly trimmedBytes: number;
}

const counted = z.object({ io_bytes: z.number() });
const reportSchema = z.object({
  jobs: z.array(z.object({ jobname: z.string(), error: z.number(), read: counted, write: counted, trim: counted })),
});

/** The jobs, each as the flags that make it what it is. The sizes of their parts follow from their number. */
const jobs: Readonly<Record<string, readonly string[]>> = {
  mixed: ['--rw=randwrite', '--bsrange=4k-256k', '--blockalign=4k', '--iodepth=16', '--verify_backlog=48'],
  unaligned: ['--rw=randwrite', '--bsrange=512-32k', '--blockalign=512', '--iodepth=8', '--verify_backlog=200', '--io_size=25%'],
  'whole-stripes': ['--rw=write', '--bs=1m', '--iodepth=4'],
  'trimmed-first': ['--rw=randtrimwrite', '--bs=64k', '--iodepth=8'],
  'read-and-write': ['--rw=randrw', '--rwmixread=40', '--bsrange=4k-128k', '--blockalign=4k', '--iodepth=8', '--fsync=16'],
  trims: ['--rw=randtrim', '--bsrange=4k-512k', '--blockalign=4k', '--iodepth=4', '--verify=0'],
};

/** The room that a round takes of its volume. */
export function fioBytes(jobMib: number): number {
  return Object.keys(jobs).length * jobMib * mebibyte;
}

export async function fioRound(o: FioRoundInput): Promise<FioRoundResult> {
  const { path, env } = await storageClient('fio');
  const common = ['--ioengine=nbd', '--verify=crc32c', '--verify_fatal=1', '--verify_state_save=0', '--output-format=json'];
  const args = Object.entries(jobs).flatMap(([name, flags], index) => [
    `--name=${name}`,
    `--uri=${o.uris[index % o.uris.length]}`,
    `--offset=${index * o.jobMib}m`,
    `--size=${o.jobMib}m`,
    `--randseed=${o.seed + index}`,
    ...flags,
  ]);
  const { failure, stdout, stderr } = await new Promise<{ failure: Error | null; stdout: string; stderr: string }>((resolve) => {
    execFile(path, [...common, ...args], { env, cwd: o.dir, timeout: roundTimeoutMs, maxBuffer: outputBytesMax }, (error, out, err) =>
      resolve({ failure: error, stdout: out, stderr: err }),
    );
  });
  // Complaints stand before the report, and among them.
  const begins = stdout.search(/^\{/m);
  const report = begins < 0 ? undefined : reportSchema.safeParse(parsed(stdout.slice(begins, stdout.lastIndexOf('}') + 1)));
  const ran = report?.success ? report.data.jobs : [];
  const sum = (of: 'read' | 'write' | 'trim'): number => ran.reduce((total, job) => total + job[of].io_bytes, 0);
  const complaints = [
    ...(failure === null ? [] : [`fio ended with ${failure.message.split('\n')[0]?.slice(0, 100)} (${JSON.stringify(failure)})`]),
    ...`${stdout.slice(0, Math.max(0, begins))}\n${stderr}`.split('\n').filter((line) => line.trim() !== '' && !idle.test(line)),
    ...ran.filter(({ error }) => error !== 0).map(({ jobname, error }) => `${jobname} ended with error ${error}`),
    ...(ran.length === Object.keys(jobs).length ? [] : [`${ran.length} jobs are reported`]),
  ];
  return { complaints, readBytes: sum('read'), writtenBytes: sum('write'), trimmedBytes: sum('trim') };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
