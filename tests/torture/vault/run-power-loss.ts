/**
 * Records what the process of a vault does to its files, makes of it states that may be left when the power is lost, and opens each: all that
 * was acknowledged by then must be there, and nothing that was never asked for.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { openVault } from '../../../services/ec-encoder/src/vault/vault.ts';
import { ackedBefore, legalState, undamagedState } from '../../faults/power-loss.ts';
import { type Recording, readRecording } from '../../faults/recording.ts';
import { acksOf } from '../../faults/run-with-faults.ts';
import { ExpectedVault } from './expected-vault.ts';
import type { Life } from './life.ts';
import { describe, look } from './look.ts';
import { liveRecorded, StoryReader } from './process-under-test.ts';
import { type Line, linesOf } from './story.ts';
import { type Code, drivePath, openOptions } from './vault-under-test.ts';

export interface PowerLossInput {
  readonly states: number;
  readonly seed: number;
  /** A new run is recorded after so many. */
  readonly statesPerRecording: number;
  /** Of one recording. */
  readonly operations: number;
  /** Of the first state. */
  readonly firstState?: number;
  readonly tell: (line: string) => void;
}

export interface PowerLossResult {
  readonly seed: number;
  readonly states: number;
  readonly recordings: number;
  readonly events: number;
  readonly seconds: number;
  /** Most that was acknowledged before a state, and how many states had anything acknowledged. */
  readonly acknowledgedMax: number;
  readonly statesWithAcknowledged: number;
  readonly violations: readonly string[];
}

const drives = 6;
const volumeUnits = 4 * 1024;
const recordLimitMs = 120_000;
const tellEvery = 25;
const violationsMax = 10;
const codes: readonly Code[] = [
  { dataShards: 3, parityShards: 2 },
  { dataShards: 4, parityShards: 2 },
  { dataShards: 2, parityShards: 2 },
];

export async function runPowerLoss(input: PowerLossInput): Promise<PowerLossResult> {
  const startedMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'couchestor-vault-power-'));
  input.tell(`torture:vault: seed ${input.seed}, folder ${folder}`);
  const violations: string[] = [];
  const total = { states: 0, recordings: 0, events: 0, acknowledgedMax: 0, statesWithAcknowledged: 0 };
  while (total.states < input.states && violations.length < violationsMax) {
    const code = codes[total.recordings % codes.length] as Code;
    const dir = join(folder, `recording-${total.recordings}`);
    const root = join(dir, 'root');
    mkdirSync(root, { recursive: true });
    const recording = await recorded(root, { seed: input.seed * 1000 + total.recordings, code, operations: input.operations });
    total.recordings += 1;
    total.events += recording.events.length;
    for (let here = 0; here < input.statesPerRecording && total.states < input.states && violations.length < violationsMax; here += 1) {
      const seed = (input.firstState ?? 0) + input.seed * 100_000 + total.states;
      const into = join(dir, 'state');
      const { story, acknowledged, problems } = await tryState(recording, { seed, code, into, isUndamaged: here === 0 });
      total.states += 1;
      total.acknowledgedMax = Math.max(total.acknowledgedMax, acknowledged);
      total.statesWithAcknowledged += acknowledged > 0 ? 1 : 0;
      violations.push(
        ...problems.map((text) => `recording ${total.recordings} (${code.dataShards}+${code.parityShards}), ${story}: ${text}`),
      );
      if (total.states % tellEvery === 0 || problems.length > 0) {
        input.tell(
          `state ${total.states}/${input.states}: ${acknowledged} operations were acknowledged; ${story}; ${problems.length} problems`,
        );
      }
      rmSync(into, { recursive: true });
    }
    rmSync(root, { recursive: true });
    if (violations.length === 0) {
      rmSync(dir, { recursive: true });
    }
  }
  if (violations.length === 0) {
    rmSync(folder, { recursive: true });
  } else {
    input.tell(`torture:vault: the recording is kept in ${folder}`);
  }
  return { seed: input.seed, ...total, seconds: Math.round((performance.now() - startedMs) / 1_000), violations };
}

async function recorded(root: string, o: { seed: number; code: Code; operations: number }): Promise<Recording> {
  const life: Life = {
    root,
    acks: acksOf(root),
    code: o.code,
    drives: drivesOf(root),
    seed: o.seed,
    firstId: 1,
    volumeUnits,
    writers: 4,
    pauseMsMax: 0,
    dump: undefined,
    keys: [],
    operations: o.operations,
    isLast: false,
    reindex: false,
    fail: o.seed % 2 === 0 ? 1 + (o.seed % drives) : undefined,
    replace: undefined,
    heals: false,
  };
  const log = join(dirname(root), 'log');
  const ended = await liveRecorded(life, new StoryReader(acksOf(root)), { log, limitMs: recordLimitMs });
  if (ended.code !== 0) {
    throw new Error(`the recorded process ended with ${ended.code}: ${ended.complaints}`);
  }
  return readRecording(log);
}

async function tryState(
  recording: Recording,
  o: { seed: number; code: Code; into: string; isUndamaged: boolean },
): Promise<{ story: string; acknowledged: number; problems: string[] }> {
  let at = recording.events.length;
  let story = 'nothing lost';
  if (o.isUndamaged) {
    undamagedState(recording, o.into);
  } else {
    ({ at, story } = legalState(recording, { seed: o.seed }, o.into));
  }
  const { lines } = linesOf(ackedBefore(recording, at));
  const expected = new ExpectedVault();
  const problems = lines.flatMap((line) => expected.take(line));
  expected.died();
  const keys = keysOf(linesOf(ackedBefore(recording, recording.events.length)).lines);
  // Once more after it was closed: what was read must not change again.
  for (const time of o.seed % 4 === 0 ? ['first', 'second'] : ['first']) {
    try {
      const vault = await openVault(openOptions({ root: o.into, code: o.code, drives: drivesOf(o.into) }, quietLogger()));
      try {
        problems.push(...expected.check(await look(vault, keys)));
      } finally {
        await vault.close();
      }
    } catch (error) {
      problems.push(`it cannot be opened (${time} time): ${describe(error)}`);
    }
  }
  return { story, acknowledged: expected.counts.done, problems };
}

function keysOf(lines: readonly Line[]): string[] {
  return lines.flatMap((line) => (line.is === 'begun' && line.operation.do === 'put' ? [line.operation.key] : []));
}

function drivesOf(root: string): string[] {
  return Array.from({ length: drives }, (_, index) => drivePath(root, index + 1));
}
