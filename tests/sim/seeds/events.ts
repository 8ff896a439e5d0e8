/** Everything that may befall a world, as plain data: with what it needs to be done again in a world of fewer events. */
import { type MoveStep, moveSteps } from '@couchestor/shared/contracts/migration';
import type { Dice } from './dice.ts';

/** The calls of the migrator that may be hit by a fault. */
export const callPatterns = {
  'put count': { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/*' },
  'put label': { method: 'PUT', pathPattern: '/v0/pools/*/label/*' },
  'delete label': { method: 'DELETE', pathPattern: '/v0/pools/*/label/*' },
  'put cordon': { method: 'PUT', pathPattern: '/v0/pools/*/cordon' },
  'delete cordon': { method: 'DELETE', pathPattern: '/v0/pools/*/cordon' },
  'put node cordon': { method: 'PUT', pathPattern: '/v0/nodes/*/cordon/*' },
  'delete node cordon': { method: 'DELETE', pathPattern: '/v0/nodes/*/cordon/*' },
  'any read': { method: 'GET', pathPattern: '/v0/**' },
  'read volume': { method: 'GET', pathPattern: '/v0/volumes/*' },
  'read pools': { method: 'GET', pathPattern: '/v0/pools' },
  anything: { method: '*', pathPattern: '/v0/**' },
} as const;
export type CallName = keyof typeof callPatterns;

export interface CallFault {
  readonly call: CallName;
  readonly after: number;
  readonly times: number;
  readonly answer?: number | 'timeout';
  readonly applied?: boolean | 'half';
  readonly delayMs?: number;
  readonly stale?: true;
}

export type PolicyChange = 'disable' | 'dry-run' | 'delete' | 'watermarks' | 'preservation' | 'selectors' | 'invalid' | 'restore';

/** Things are named by a fraction of what there is at the time, so that an event keeps its sense where others have been left out. */
export type Happening =
  | { readonly kind: 'node-down'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'pool-offline'; readonly pool: number; readonly forMs: number }
  | {
      readonly kind: 'replica-fault';
      readonly volume: number;
      readonly which: 'new' | 'old';
      readonly replica: number;
      readonly forGood: boolean;
    }
  | { readonly kind: 'fail-over'; readonly volume: number }
  | { readonly kind: 'unpublish'; readonly volume: number; readonly forMs: number }
  | { readonly kind: 'resize'; readonly volume: number }
  | { readonly kind: 'delete-volume'; readonly volume: number }
  | { readonly kind: 'snapshot'; readonly volume: number }
  | { readonly kind: 'set-count'; readonly volume: number; readonly by: 1 | -1; readonly times: number }
  | { readonly kind: 'cordon-pool'; readonly pool: number; readonly forMs: number | undefined }
  | { readonly kind: 'cordon-node'; readonly node: number; readonly forMs: number | undefined; readonly drain: boolean }
  | { readonly kind: 'label-pool'; readonly pool: number; readonly what: 'tier' | 'gate' | 'other'; readonly forMs: number | undefined }
  | { readonly kind: 'delete-pool'; readonly pool: number }
  | { readonly kind: 'slow-rebuilds'; readonly forMs: number }
  | { readonly kind: 'fault'; readonly fault: CallFault }
  | { readonly kind: 'crash'; readonly process: number; readonly afterOperations: number; readonly downMs: number }
  | { readonly kind: 'pause'; readonly process: number; readonly afterOperations: number; readonly ms: number }
  | { readonly kind: 'brain-away'; readonly forMs: number }
  | { readonly kind: 'redis-lost' }
  | { readonly kind: 'redis-away'; readonly forMs: number }
  | { readonly kind: 'nats-wiped' }
  | { readonly kind: 'nats-away'; readonly forMs: number }
  | { readonly kind: 'samples-away'; readonly forMs: number }
  | { readonly kind: 'clock-jump'; readonly whose: 'nats' | 'migrator'; readonly process: number; readonly byMs: number }
  | { readonly kind: 'policy'; readonly policy: number; readonly change: PolicyChange }
  | { readonly kind: 'cancel'; readonly volume: number }
  | { readonly kind: 'retry'; readonly volume: number }
  | { readonly kind: 'load'; readonly volume: number; readonly tier: 'hot' | 'warm' | 'cold' };

export interface WorldEvent {
  readonly atMs: number;
  /** Then it waits until some move reaches this step, and befalls that move's volume. */
  readonly onStep?: MoveStep;
  readonly delayMs: number;
  readonly happening: Happening;
}

const weights: Readonly<Record<Happening['kind'], number>> = {
  'node-down': 5,
  'pool-offline': 4,
  'replica-fault': 6,
  'fail-over': 4,
  unpublish: 4,
  resize: 3,
  'delete-volume': 2,
  snapshot: 2,
  'set-count': 4,
  'cordon-pool': 4,
  'cordon-node': 4,
  'label-pool': 4,
  'delete-pool': 1,
  'slow-rebuilds': 3,
  fault: 40,
  crash: 18,
  pause: 9,
  'brain-away': 3,
  'redis-lost': 2,
  'redis-away': 2,
  'nats-wiped': 2,
  'nats-away': 3,
  'samples-away': 2,
  'clock-jump': 3,
  policy: 4,
  cancel: 3,
  retry: 2,
  load: 16,
};

/** Steps in which a thing is most likely to do harm. Of the others, each step now and then. */
const likelySteps: Partial<Record<Happening['kind'], readonly MoveStep[]>> = {
  'replica-fault': ['ungate-grow', 'wait-sync', 'wait-sync', 'gate-shrink', 'scale-down'],
  'fail-over': ['ungate-grow', 'wait-sync', 'gate-shrink'],
  unpublish: ['analyze', 'ungate-grow', 'wait-sync'],
  'set-count': ['analyze', 'gate-grow', 'ungate-grow', 'wait-sync', 'gate-shrink'],
  'cordon-node': ['gate-grow', 'wait-sync', 'gate-shrink'],
  'label-pool': ['analyze', 'gate-grow', 'wait-sync'],
  'slow-rebuilds': ['scale-up', 'ungate-grow', 'wait-sync'],
  fault: ['analyze', 'gate-grow', 'scale-up', 'wait-sync', 'gate-shrink', 'scale-down', 'gate-rollback', 'finish'],
  'brain-away': ['analyze'],
  cancel: ['analyze', 'scale-up', 'ungate-grow', 'wait-sync', 'gate-shrink', 'scale-down'],
  'nats-wiped': ['scale-up', 'ungate-grow', 'wait-sync', 'gate-shrink', 'scale-down', 'gate-rollback'],
};

export type Theme = Happening['kind'];
export const themes = Object.keys(weights) as Theme[];
const themeWeight = 60;

/** @param o.theme what this world has most of */
export function drawEvent(dice: Dice, o: { eventsMs: number; theme: Theme; migrators: number }): WorldEvent {
  const kind = dice.weighted({ ...weights, [o.theme]: weights[o.theme] + themeWeight });
  const timed = ['load', 'retry', 'samples-away'].includes(kind) || dice.chance(0.25);
  return {
    // Those that wait for a step are there early.
    atMs: Math.floor(dice.fraction() * (timed ? 1 : 0.7) * o.eventsMs),
    ...(timed ? {} : { onStep: dice.one((dice.chance(0.75) ? likelySteps[kind] : undefined) ?? moveSteps) }),
    delayMs: timed ? 0 : dice.one([0, 0, 1, 100, 700, 3_000]),
    happening: drawHappening(dice, kind, o),
  };
}

function drawHappening(dice: Dice, kind: Happening['kind'], o: { migrators: number }): Happening {
  const volume = dice.fraction();
  const pool = dice.fraction();
  const node = dice.fraction();
  const forMs = dice.one([500, 4_000, 20_000, 60_000, 110_000]);
  const perhaps = dice.chance(0.5) ? forMs : undefined;
  // The last one is the brain.
  const process = dice.between(0, o.migrators);
  switch (kind) {
    case 'node-down':
      return { kind, node, forMs };
    case 'pool-offline':
      return { kind, pool, forMs };
    case 'replica-fault':
      return { kind, volume, which: dice.one(['new', 'new', 'old']), replica: dice.fraction(), forGood: dice.chance(0.3) };
    case 'fail-over':
    case 'resize':
    case 'delete-volume':
    case 'snapshot':
    case 'cancel':
    case 'retry':
      return { kind, volume };
    case 'unpublish':
      return { kind, volume, forMs };
    case 'set-count':
      return { kind, volume, by: dice.one([1, -1]), times: dice.one([1, 1, 2]) };
    case 'cordon-pool':
      return { kind, pool, forMs: perhaps };
    case 'cordon-node':
      return { kind, node, forMs: perhaps, drain: dice.chance(0.2) };
    case 'label-pool':
      return { kind, pool, what: dice.one(['tier', 'gate', 'other']), forMs: perhaps };
    case 'delete-pool':
      return { kind, pool };
    case 'slow-rebuilds':
    case 'redis-away':
    case 'nats-away':
    case 'samples-away':
    case 'brain-away':
      return { kind, forMs };
    case 'fault':
      return { kind, fault: drawFault(dice) };
    case 'crash':
      return { kind, process, afterOperations: dice.between(1, 40), downMs: dice.one([100, 1_000, 5_000, 20_000, 40_000]) };
    case 'pause':
      return { kind, process, afterOperations: dice.between(1, 40), ms: dice.one([500, 3_000, 7_000, 15_000, 45_000]) };
    case 'redis-lost':
    case 'nats-wiped':
      return { kind };
    case 'clock-jump':
      return {
        kind,
        whose: dice.one(['nats', 'migrator', 'migrator']),
        process,
        byMs: dice.one([-3_600_000, -20_000, 5_000, 90_000, 7_200_000]),
      };
    case 'policy':
      return {
        kind,
        policy: dice.fraction(),
        change: dice.one(['disable', 'dry-run', 'delete', 'watermarks', 'preservation', 'selectors', 'invalid', 'restore', 'restore']),
      };
    case 'load':
      return { kind, volume, tier: dice.one(['hot', 'warm', 'cold']) };
  }
}

function drawFault(dice: Dice): CallFault {
  const call = dice.weighted<CallName>({
    'put count': 10,
    'put label': 3,
    'delete label': 4,
    'put cordon': 2,
    'delete cordon': 3,
    'put node cordon': 2,
    'delete node cordon': 2,
    'any read': 2,
    'read volume': 2,
    'read pools': 1,
    anything: 2,
  });
  const after = dice.one([0, 0, 0, 1, 2]);
  const reads = callPatterns[call].method === 'GET';
  const way = dice.weighted({
    refused: 4,
    lost: 5,
    late: reads || call === 'anything' ? 0 : 5,
    slow: 1,
    stale: reads ? 6 : 0,
    half: call === 'put count' ? 1 : 0,
  });
  // Now and then for good: until the world is brought to rest.
  const times = dice.weighted({ once: 6, some: 2, many: 1 });
  const hits = { once: 1, some: dice.between(2, 6), many: 1_000 }[times];
  switch (way) {
    case 'refused':
      return { call, after, times: hits, answer: dice.one([409, 412, 503, 500, 400, 507]), applied: false };
    case 'lost':
      return {
        call,
        after,
        times: Math.min(hits, 20),
        answer: dice.one([408, 500, 503, 504, 'timeout'] as const),
        applied: dice.chance(0.6),
      };
    case 'late':
      return {
        call,
        after,
        times: Math.min(hits, 3),
        answer: dice.one([503, 504, 'timeout'] as const),
        applied: true,
        delayMs: dice.one([600, 1_500, 4_000, 9_000, 15_000, 40_000, 120_000]),
      };
    case 'slow':
      return { call, after, times: Math.min(hits, 6), delayMs: dice.one([300, 900, 1_500]) };
    case 'stale':
      return { call, after, times: Math.min(hits, 4), stale: true };
    case 'half':
      return { call, after, times: 1, answer: 503, applied: 'half' };
  }
}
