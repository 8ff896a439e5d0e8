/** A mutant: one rule of the code broken on purpose, and the tests that must notice. */

/** What is broken, in the words of docs/safety.md and docs/decision.md. */
export const rules = {
  syncedFirst: 'S1: an old replica goes only after the new one is synced',
  neverFewer: 'S2: no action of ours leaves fewer synced replicas than the volume had',
  undone: 'S3: whatever goes wrong, the old replica stays and what we changed is undone',
  noDataIsNotZero: 'S4: no data is not zero',
  writtenPolicy: 'S5: every decision follows a written policy',
  onePool: 'A volume grows only where every pool but the chosen one is closed',
  biased: 'Every shrink is biased at the replica that is to go',
  marks: 'Marks are set before what they tell of, and removed after it',
  administrator: 'A cordon of an administrator is never lifted',
  answers: 'An answer is never believed: what came of it is read',
  someoneElse: 'Where somebody else has changed the replicas, the move stops',
  journal: 'The journal is written, by compare-and-set, before what it tells of is done',
  fencing: 'The lock and the revision of the journal are checked right before each call',
  lock: 'The lock has one holder, and goes to another only after a whole lease',
  bounded: 'Tries and waits are bounded',
  stands: 'A move begins only while its order stands',
  limits: 'No more moves at a time, and none sooner, than the policy allows',
  refused: 'What cannot be moved safely is refused before anything is touched',
  preservation: 'Preservation mode: one extra replica, marked as kept',
  recovery: 'No move, and no end of one, is lost with a process, Redis or NATS',
} as const;

export interface Suite {
  /** Path of the test file from the root of the repository. */
  readonly file: string;
  /** Part of the names of the tests to run; all of the file where absent. */
  readonly tests?: string;
}

export interface Mutant {
  readonly name: string;
  readonly breaks: keyof typeof rules;
  /** What the broken code does. */
  readonly what: string;
  readonly file: string;
  /** Each text must occur in the file exactly once. */
  readonly changes: readonly { readonly find: string; readonly put: string }[];
  /** Run in this order, until one fails. */
  readonly suites: readonly Suite[];
}

/** The file with the rule broken. Throws where a text to be changed is no longer there, or there more than once: the mutant is stale. */
export function mutate(source: string, { name, file, changes }: Pick<Mutant, 'name' | 'file' | 'changes'>): string {
  return changes.reduce((text, { find, put }) => {
    const times = text.split(find).length - 1;
    if (times !== 1) {
      throw new RangeError(`mutant ${name} is stale: in ${file} its text occurs ${times} times: ${find}`);
    }
    return text.replace(find, () => put);
  }, source);
}
