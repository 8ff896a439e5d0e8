/** One request to the simulated control plane, with the faults that befall it. */
import { advance } from './advance.ts';
import type { Cluster, Effect, FaultRecord, Turn } from './cluster.ts';
import { dispatch } from './dispatch.ts';
import { nextFraction } from './random.ts';
import { kindOfStatus } from './refusal.ts';
import { undoGrowth } from './replica-count.ts';
import type { Answer, Fault, ModelRequest } from './request.ts';
import { observe } from './views.ts';

export type Outcome =
  | (Answer & { readonly effects: Effect[] })
  /** The true answer comes as the effect `answered` with this ticket. */
  | { readonly status: 'later'; readonly ticket: number; readonly effects: Effect[] }
  /** No answer comes: the caller's own deadline ends the call. */
  | { readonly status: 'never'; readonly effects: Effect[] };

/** Brings the cluster to the time of the request and answers it. */
export function handle(cluster: Cluster, request: ModelRequest, nowMs: number): Outcome {
  const turn: Turn = { cluster, effects: advance(cluster, nowMs) };
  const record = takeFault(cluster, request);
  if (record === undefined) {
    return { ...dispatch(turn, request), effects: turn.effects };
  }
  const { fault } = record;
  const applied = fault.applied ?? fault.answer === undefined;
  const awaited = fault.answer === undefined;
  if (applied === true && fault.delayMs > 0) {
    const ticket = cluster.late.nextTicket;
    cluster.late.nextTicket += 1;
    cluster.late.calls.push({ ticket, atMs: cluster.nowMs + fault.delayMs, request, awaited });
    return awaited ? { status: 'later', ticket, effects: turn.effects } : told(fault, turn);
  }
  if (applied === 'half') {
    applyHalf(turn, request);
    return told(fault, turn);
  }
  const truth = applied ? dispatch(turn, request, record.frozen ?? cluster.observed) : undefined;
  return awaited && truth !== undefined ? { ...truth, effects: turn.effects } : told(fault, turn);
}

/** The control plane fails after it has made a replica and before it could attach it: the growth is undone, the replica stays for collection. */
function applyHalf(turn: Turn, request: ModelRequest): void {
  const volumes = Object.values(turn.cluster.volumes).map((volume) => ({ volume, before: volume.numReplicas }));
  dispatch(turn, request);
  for (const { volume, before } of volumes) {
    if (volume.numReplicas === before + 1) {
      undoGrowth(turn, volume);
    }
  }
}

/** Sets a fault; it stays until it has hit as often as it says. */
export function addFault(cluster: Cluster, fault: Fault): number {
  const id = cluster.faults.nextId;
  cluster.faults.nextId += 1;
  cluster.faults.list.push({ id, fault, passed: 0, hits: 0, frozen: fault.stale ? observe(cluster) : undefined });
  cluster.revision += 1;
  return id;
}

export function clearFaults(cluster: Cluster): void {
  cluster.faults.list = [];
  cluster.revision += 1;
}

function told(fault: Fault, { effects }: Turn): Outcome {
  if (fault.answer === 'timeout' || fault.answer === undefined) {
    return { status: 'never', effects };
  }
  const kind = kindOfStatus(fault.answer);
  const body = fault.body ?? (fault.answer === 404 ? undefined : { details: 'Injected fault', message: `SvcError :: ${kind}`, kind });
  return { status: fault.answer, body, delayMs: 0, effects };
}

/** The first fault that hits the request. Those before it that match count the call as passed. */
function takeFault(cluster: Cluster, request: ModelRequest): FaultRecord | undefined {
  for (const record of cluster.faults.list) {
    const { match, after, probability, times } = record.fault;
    if ((match.method !== '*' && match.method !== request.method) || !matchesPattern(match.pathPattern, request.path)) {
      continue;
    }
    cluster.revision += 1;
    if (record.passed < after) {
      record.passed += 1;
      continue;
    }
    if (probability < 1 && nextFraction(cluster.random) >= probability) {
      continue;
    }
    record.hits += 1;
    if (record.hits >= times) {
      cluster.faults.list = cluster.faults.list.filter((other) => other !== record);
    }
    return record;
  }
  return undefined;
}

function matchesPattern(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const segments = path.split('/');
  for (let index = 0; index < wanted.length; index += 1) {
    if (wanted[index] === '**') {
      return segments.length > index;
    }
    if (wanted[index] !== '*' && wanted[index] !== segments[index]) {
      return false;
    }
  }
  return segments.length === wanted.length;
}
