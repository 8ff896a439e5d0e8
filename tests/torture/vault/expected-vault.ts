/** What a vault may hold, by what its workloads told. Fed with their lines in order; compared with what was found. */
import { LegalValues, Times } from './legal-values.ts';
import { unreadableValue, zeroValue } from './stamped-bytes.ts';
import { type Found, type FoundBlob, type Line, type Operation, unitsOf } from './story.ts';

/** Of a volume, snapshot or blob: whether it is there. */
type Presence = 'there' | 'perhaps' | 'gone';

interface ExpectedDevice {
  readonly values: LegalValues;
  presence: Presence;
  /** Of a snapshot or clone that is being made: what is begun meanwhile may be in it. */
  isBeingMade: boolean;
}

interface ExpectedBlob {
  readonly units: number;
  states: Set<FoundBlob['state'] | 'absent'>;
}

interface OpenRead {
  readonly volume: string;
  readonly firstUnit: number;
  readonly legal: Set<number>[];
}

export interface Leniency {
  /** After the index was made anew: what was never answered may have come to be, and any blob that was ever put may be pending. */
  readonly isReindexed?: boolean;
  /** Then it may also be that what is unreadable of a drive was the proof that a write was never finished: such blocks are told as lost. */
  readonly mayBeLost?: boolean;
}

const violationsMax = 20;

export class ExpectedVault {
  readonly #times = new Times();
  readonly #devices = new Map<string, ExpectedDevice>();
  readonly #blobs = new Map<string, ExpectedBlob>();
  readonly #open = new Map<number, Operation>();
  readonly #reads = new Map<number, OpenRead>();
  readonly counts = { begun: 0, done: 0, failed: 0, unitsRead: 0, reads: 0 };

  /** What is wrong with what was told itself. */
  take(line: Line): string[] {
    if (line.is === 'begun') {
      this.counts.begun += 1;
      this.#open.set(line.id, line.operation);
      this.#times.begin(line.id);
      this.#begin(line.id, line.operation);
    } else if (line.is === 'done') {
      const operation = this.#open.get(line.id);
      this.#open.delete(line.id);
      this.#times.end(line.id);
      this.counts.done += 1;
      return operation === undefined ? [`operation ${line.id} was answered and never begun`] : this.#end(line.id, operation, line.read);
    } else if (line.is === 'failed') {
      const operation = this.#open.get(line.id);
      this.#open.delete(line.id);
      this.counts.failed += 1;
      return [`operation ${line.id} (${JSON.stringify(operation)}) failed: ${line.reason}`];
    }
    return [];
  }

  /** The process has died: nothing is under way any more, and whatever was may have been done or not. */
  died(): void {
    this.#open.clear();
    this.#reads.clear();
  }

  /** What is wrong with what was found when nothing was under way; from then on, what was found is what there is. */
  check(found: Found, o: Leniency = {}): string[] {
    const violations = o.mayBeLost === true ? [] : [...found.problems];
    this.#checkDevices(found, o, violations);
    this.#checkBlobs(found, o, violations);
    return violations.length > violationsMax
      ? [...violations.slice(0, violationsMax), `and ${violations.length - violationsMax} more`]
      : violations;
  }

  #checkDevices(found: Found, o: Leniency, violations: string[]): void {
    for (const name of Object.keys(found.devices)) {
      if ((this.#devices.get(name)?.presence ?? 'gone') === 'gone') {
        violations.push(`${name} is there, and must not be`);
      }
    }
    for (const [name, device] of this.#devices) {
      const runs = found.devices[name];
      if (runs === undefined) {
        if (device.presence === 'there') {
          violations.push(`${name} is not there`);
        }
        this.#devices.delete(name);
        continue;
      }
      device.presence = 'there';
      device.isBeingMade = false;
      const problem = this.#checkValues(device.values, runs, o);
      if (problem !== undefined) {
        violations.push(`${name}: ${problem}`);
      }
    }
  }

  #checkValues(values: LegalValues, runs: readonly number[], o: Leniency): string | undefined {
    let wrong = 0;
    let first = '';
    let units = 0;
    for (const { unit, value } of unitsOf(runs)) {
      units += 1;
      if (value === unreadableValue && o.mayBeLost === true) {
        continue;
      }
      if (values.isLegal(unit, value, { withGhosts: o.isReindexed === true })) {
        values.settle(unit, value);
      } else {
        wrong += 1;
        first ||= `unit ${unit} (block ${Math.floor(unit / 8)}) has ${value}, not one of ${values.valuesAt(unit).join()}`;
      }
    }
    this.counts.unitsRead += units;
    if (units !== values.units) {
      return `${units} units were found, not ${values.units}`;
    }
    return wrong === 0 ? undefined : `${wrong} units are wrong: ${first}`;
  }

  #checkBlobs(found: Found, o: Leniency, violations: string[]): void {
    const byKey = new Map(found.blobs.map((blob) => [blob.key, blob]));
    for (const [key, expected] of this.#blobs) {
      const blob = byKey.get(key);
      byKey.delete(key);
      const state = blob?.state ?? 'absent';
      const isLegal = expected.states.has(state) || (o.isReindexed === true && state === 'pending');
      if (!isLegal) {
        violations.push(`blob ${key} is ${state}, not ${[...expected.states].join(' or ')}`);
      } else if (blob !== undefined && o.mayBeLost !== true && (!blob.isSound || blob.units !== expected.units)) {
        violations.push(`blob ${key} has wrong bytes`);
      }
      expected.states = new Set([state]);
    }
    for (const key of byKey.keys()) {
      violations.push(`blob ${key} was never put`);
    }
  }

  #begin(id: number, operation: Operation): void {
    switch (operation.do) {
      case 'create':
        this.#devices.set(operation.volume, {
          values: new LegalValues(operation.units, this.#times),
          presence: 'perhaps',
          isBeingMade: false,
        });
        return;
      case 'write':
      case 'zero':
        this.#beginWrite(id, { ...operation, value: operation.do === 'zero' ? zeroValue : id });
        return;
      case 'read':
        this.#reads.set(id, {
          ...operation,
          legal: Array.from(
            { length: operation.units },
            (_, unit) => new Set(this.#devices.get(operation.volume)?.values.valuesAt(operation.firstUnit + unit)),
          ),
        });
        return;
      case 'snapshot':
        this.#make(`${operation.volume}@${operation.name}`, operation.volume);
        return;
      case 'clone':
        this.#make(operation.as, `${operation.volume}@${operation.name}`);
        return;
      case 'remove-snapshot':
        this.#setPresence(`${operation.volume}@${operation.name}`, 'perhaps');
        return;
      case 'put':
        this.#blobs.set(operation.key, { units: operation.units, states: new Set(['absent', 'pending']) });
        return;
      case 'adopt':
        this.#blobs.get(operation.key)?.states.add('adopted');
        return;
      case 'release':
        this.#blobs.get(operation.key)?.states.add('absent');
    }
  }

  #beginWrite(id: number, o: { volume: string; firstUnit: number; units: number; value: number }): void {
    this.#devices.get(o.volume)?.values.begin(id, o);
    for (const [name, device] of this.#devices) {
      if (device.isBeingMade && name.startsWith(`${o.volume}@`)) {
        device.values.begin(id, o);
      }
    }
    for (const read of this.#reads.values()) {
      for (let unit = o.firstUnit; read.volume === o.volume && unit < o.firstUnit + o.units; unit += 1) {
        read.legal[unit - read.firstUnit]?.add(o.value);
      }
    }
  }

  #end(id: number, operation: Operation, read: readonly number[] | undefined): string[] {
    switch (operation.do) {
      case 'create':
        this.#setPresence(operation.volume, 'there');
        return [];
      case 'write':
      case 'zero':
        this.#devices.get(operation.volume)?.values.end(id, operation);
        return [];
      case 'read':
        return this.#endRead(id, read ?? []);
      case 'snapshot':
        this.#setPresence(`${operation.volume}@${operation.name}`, 'there');
        return [];
      case 'clone':
        this.#setPresence(operation.as, 'there');
        return [];
      case 'remove-snapshot':
        this.#setPresence(`${operation.volume}@${operation.name}`, 'gone');
        return [];
      case 'put':
        this.#blobStates(operation.key, ['pending']);
        return [];
      case 'adopt':
        this.#blobStates(operation.key, ['adopted']);
        return [];
      case 'release':
        this.#blobStates(operation.key, ['absent']);
        return [];
    }
  }

  #endRead(id: number, runs: readonly number[]): string[] {
    const read = this.#reads.get(id);
    this.#reads.delete(id);
    this.counts.reads += 1;
    for (const { unit, value } of unitsOf(runs)) {
      const legal = read?.legal[unit];
      if (read !== undefined && legal?.has(value) !== true) {
        return [`a read of ${read.volume} saw ${value} in unit ${read.firstUnit + unit}, not one of ${[...(legal ?? [])].join()}`];
      }
    }
    return [];
  }

  #make(name: string, from: string): void {
    const origin = this.#devices.get(from);
    if (origin !== undefined) {
      this.#devices.set(name, { values: origin.values.copy(), presence: 'perhaps', isBeingMade: true });
    }
  }

  #setPresence(name: string, presence: Presence): void {
    const device = this.#devices.get(name);
    if (device !== undefined) {
      device.presence = presence;
      device.isBeingMade = false;
    }
  }

  #blobStates(key: string, states: readonly (FoundBlob['state'] | 'absent')[]): void {
    const blob = this.#blobs.get(key);
    if (blob !== undefined) {
      blob.states = new Set(states);
    }
  }
}
