/**
 * Mayastor's model behind the real client, for all processes of a world, with everything that may happen to a call on its way: it may
 * arrive late, after its sender was told something else, stood still, or died. Each change of ours is compared with what was there just
 * before it.
 */
import { advance, nextDueMs } from '@couchestor/mayastor-simulator/domain/advance';
import type { Cluster, Volume } from '@couchestor/mayastor-simulator/domain/cluster';
import { createCluster } from '@couchestor/mayastor-simulator/domain/create-cluster';
import { dispatch } from '@couchestor/mayastor-simulator/domain/dispatch';
import { handle } from '@couchestor/mayastor-simulator/domain/handle';
import type { ModelRequest } from '@couchestor/mayastor-simulator/domain/request';
import { type ScenarioInput, scenarioSchema } from '@couchestor/mayastor-simulator/domain/scenario';
import { type Answer, type Call, noOutcome } from '@couchestor/shared/mayastor/answer';
import { MayastorClient } from '@couchestor/shared/mayastor/client';
import type { CallJudge, SentCall } from './call-judge.ts';
import type { Caller } from './caller.ts';
import type { Dice } from './dice.ts';
import type { Findings } from './findings.ts';
import type { SimTime } from './sim-time.ts';

interface LateCall {
  readonly request: ModelRequest;
  readonly sent: SentCall | undefined;
  readonly answered: ((answer: Answer) => void) | undefined;
}

export class SimMayastor {
  readonly model: Cluster;
  /** When something other than a call of ours in its time last changed a volume, by its id; `*`: pools or nodes. */
  readonly #disturbedAt = new Map<string, number>();
  readonly #time: SimTime;
  readonly #dice: Dice;
  readonly #findings: Findings;
  readonly #callTimeoutMs: number;
  #judge: CallJudge | undefined;
  #lateCalls = 0;

  constructor(o: { scenario: ScenarioInput; seed: number; time: SimTime; dice: Dice; findings: Findings; callTimeoutMs: number }) {
    this.model = createCluster(scenarioSchema.parse(o.scenario), o.seed, o.time.now()).cluster;
    this.#time = o.time;
    this.#dice = o.dice;
    this.#findings = o.findings;
    this.#callTimeoutMs = o.callTimeoutMs;
  }

  judgeBy(judge: CallJudge): void {
    this.#judge = judge;
  }

  /** Calls on their way that have not had their effect yet. */
  get lateCalls(): number {
    return this.#lateCalls;
  }

  client(caller: Caller): MayastorClient {
    return new MayastorClient({
      url: 'http://mayastor.invalid',
      requestTimeoutMs: this.#callTimeoutMs,
      exchange: (call, body) => this.#exchange(caller, call, body),
    });
  }

  /** Whether nothing but calls of ours in their time has changed the volume, the pools and the nodes since then. */
  undisturbedSince(volumeId: string, atMs: number): boolean {
    return Math.max(this.#disturbedAt.get('*') ?? -1, this.#disturbedAt.get(volumeId) ?? -1) < atMs - this.model.settings.cacheLagMs;
  }

  disturb(volumeId = '*'): void {
    this.#disturbedAt.set(volumeId, this.#time.now());
  }

  /** Whatever happens by itself until now has happened. */
  catchUp(): void {
    if (nextDueMs(this.model) > this.#time.now()) {
      // Nothing but copying.
      advance(this.model, this.#time.now());
      return;
    }
    const before = new Map(Object.values(this.model.volumes).map((volume) => [volume.uuid, looksOf(volume, this.model)]));
    advance(this.model, this.#time.now());
    for (const volume of Object.values(this.model.volumes)) {
      if (before.get(volume.uuid) !== looksOf(volume, this.model)) {
        this.disturb(volume.uuid);
      }
    }
  }

  /** Something that is not ours to do. */
  befall(what: (model: Cluster, nowMs: number) => void): void {
    this.catchUp();
    this.disturb();
    what(this.model, this.#time.now());
    this.disturb();
  }

  /** A call by somebody else. */
  call(method: ModelRequest['method'], path: string, body?: unknown): { status: number; body?: unknown } {
    this.catchUp();
    const url = new URL(`/v0${path}`, 'http://somebody');
    const request = { method, path: decodeURIComponent(url.pathname), query: Object.fromEntries(url.searchParams), body };
    const answer = dispatch({ cluster: this.model, effects: [] }, request);
    if (answer.status < 300) {
      this.disturb();
    }
    return answer;
  }

  async #exchange(caller: Caller, call: Call, body: unknown): Promise<Answer> {
    const stoodStill = await caller.process.step();
    const request = requestOf(call, body);
    const sent = call.method === 'GET' ? undefined : this.#judge?.sent(caller, request, { late: stoodStill });
    caller.asks(request, this.#time.now());
    if (this.#dice.chance(0.3)) {
      // It is on its way, whatever becomes of its sender.
      await this.#pass(this.#dice.between(1, 40));
    }
    const arrived = await this.#arrive(caller, request, sent);
    await caller.process.goOn();
    if (arrived === undefined) {
      await caller.process.sleep(this.#callTimeoutMs);
      await caller.process.step();
      this.#findings.count('calls without an answer');
      throw noOutcome(call, { problem: 'no answer in time' });
    }
    await caller.process.step();
    if (sent !== undefined) {
      this.#findings.say(
        caller.name,
        `${call.method} ${call.path} -> ${arrived.status}${arrived.status < 300 ? '' : ` ${arrived.body.slice(0, 160)}`}`,
      );
    }
    caller.reads(request, arrived, this.#time.now());
    return arrived;
  }

  async #arrive(caller: Caller, request: ModelRequest, sent: SentCall | undefined): Promise<Answer | undefined> {
    const { model } = this;
    this.catchUp();
    const stale = request.method === 'GET' && model.faults.list.some(({ fault }) => fault.stale);
    const hits = model.faults.list.reduce((sum, { hits: one }) => sum + one, 0) + model.faults.nextId;
    const faults = model.faults.list.length;
    const outcome = this.#judged(sent, () => handle(model, request, this.#time.now()));
    if (
      model.faults.list.length !== faults ||
      model.faults.list.reduce((sum, { hits: one }) => sum + one, 0) + model.faults.nextId !== hits
    ) {
      this.#findings.count('calls hit by a fault');
      caller.wasHit(stale);
      this.#findings.say(caller.name, `fault hits ${request.method} ${request.path}: ${outcome.status}`);
    }
    let later: Promise<Answer> | undefined;
    for (const call of model.late.calls.splice(0)) {
      const answered = call.awaited
        ? new Promise<Answer>((resolve) => this.#sendLate(call.atMs, { request, sent, answered: resolve }))
        : undefined;
      later = answered ?? later;
      if (answered === undefined) {
        this.#sendLate(call.atMs, { request, sent, answered: undefined });
      }
    }
    if (later !== undefined) {
      return Promise.race([later, this.#pass(this.#callTimeoutMs).then(() => undefined)]);
    }
    if (typeof outcome.status !== 'number' || !('body' in outcome) || outcome.delayMs > this.#callTimeoutMs) {
      return undefined;
    }
    await this.#pass(outcome.delayMs + 1);
    return { status: outcome.status, body: textOf(outcome.body) };
  }

  #sendLate(atMs: number, late: LateCall): void {
    this.#lateCalls += 1;
    this.#time.at(atMs, () => {
      this.#lateCalls -= 1;
      this.catchUp();
      // A call that its sender still waits for is slow, not late.
      if (late.answered === undefined && late.sent !== undefined) {
        late.sent.late = true;
        this.#findings.count('calls delivered late');
      }
      const answer = this.#judged(late.sent, () => dispatch({ cluster: this.model, effects: [] }, late.request));
      if (late.sent?.late === true) {
        this.#findings.say('late', `${late.request.method} ${late.request.path} -> ${answer.status}`);
        this.disturb();
      }
      late.answered?.({ status: answer.status, body: textOf(answer.body) });
    });
  }

  #judged<T>(sent: SentCall | undefined, act: () => T): T {
    return sent === undefined || this.#judge === undefined ? act() : this.#judge.effect(sent, act);
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#time.after(ms, resolve));
  }
}

function requestOf(call: Call, body: unknown): ModelRequest {
  const [path = '', query = ''] = `/v0${call.path}`.split('?');
  return { method: call.method, path: decodeURIComponent(path), query: Object.fromEntries(new URLSearchParams(query)), body };
}

function textOf(body: unknown): string {
  return body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
}

/** All of a volume that bears on where a replica is put and which one goes. */
function looksOf(volume: Volume, { replicas }: Cluster): string {
  const children = volume.nexus?.children.map(({ replica, state }) => `${replica}${state}`).join();
  return `${volume.numReplicas} ${volume.replicas.map((uuid) => `${uuid}${replicas[uuid]?.healthy}`).join()} ${volume.nexus?.node} ${children}`;
}
