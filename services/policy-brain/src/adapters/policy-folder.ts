/**
 * Policies from a watched folder of YAML files.
 *
 * The folder is read again and again and compared by content: that works on every file system, through the symlinks that Kubernetes swaps
 * below a mounted ConfigMap, and cannot miss a change. A change is taken in once two readings in a row agree, because a file that an
 * editor is still writing looks like a broken one.
 *
 * A document that is no valid policy takes its policy out of work: it is in phase Error and decides nothing until it is corrected. To go
 * on by its last good version would decide by something that is written nowhere (S5).
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '@couchestor/shared/errors';
import type { Logger } from '@couchestor/shared/logger';
import { sleep } from '@couchestor/shared/time';
import type { PolicyProblem } from '../domain/policy-status.ts';
import { parsePolicyFile } from './policy-file.ts';
import type { PolicySet, PolicySource } from './policy-source.ts';

/** So that a change takes effect within a second. */
const pollIntervalMs = 400;
/** A policy is about 1 KiB; a larger file was not meant for this folder. */
const fileBytesMax = 1024 * 1024;
const filesMax = 1_000;

interface Snapshot {
  readonly hash: string;
  readonly files: ReadonlyMap<string, string>;
  readonly problems: readonly PolicyProblem[];
}

export class PolicyFolder implements PolicySource {
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  #listener: (set: PolicySet) => void = () => undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(o: { folder: string; logger: Logger }) {
    this.#folder = o.folder;
    this.#logger = o.logger;
  }

  onChange(listener: (set: PolicySet) => void): void {
    this.#listener = listener;
  }

  async open(): Promise<void> {
    const first = await readSnapshot(this.#folder);
    this.#tell(first);
    this.#loop = this.#watch(first);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#loop;
  }

  async #watch(first: Snapshot): Promise<void> {
    const { signal } = this.#closing;
    let told = first.hash;
    let seen = first.hash;
    for (;;) {
      const stopped = await sleep(pollIntervalMs, signal).then(
        () => false,
        () => true,
      );
      if (stopped) {
        return;
      }
      const snapshot = await readSnapshot(this.#folder);
      if (snapshot.hash !== told && snapshot.hash === seen) {
        told = snapshot.hash;
        this.#tell(snapshot);
      }
      seen = snapshot.hash;
    }
  }

  #tell(snapshot: Snapshot): void {
    const set = policiesOf(snapshot);
    const policies = set.policies.map(({ policy }) => policy.name);
    this.#logger.info({ folder: this.#folder, policies, ecPolicies: set.ecPolicies.map(({ name }) => name) }, 'policies read');
    // One line for each file, whatever the number of its faults.
    for (const source of new Set(set.problems.map((problem) => problem.source))) {
      const messages = set.problems.filter((problem) => problem.source === source).map(({ message }) => message);
      this.#logger.error({ source }, `a policy cannot be used: ${messages.join(' | ')}`);
    }
    this.#listener(set);
  }
}

function policiesOf({ files, problems }: Snapshot): PolicySet {
  const parsed = [...files].map(([path, text]) => parsePolicyFile(path, text));
  const policies = onlyOnce(
    parsed.flatMap((set) => set.policies.map((found) => ({ name: found.policy.name, source: found.source, found }))),
  );
  const ecPolicies = onlyOnce(parsed.flatMap((set) => set.ecPolicies.map((found) => ({ name: found.name, source: found.source, found }))));
  return {
    policies: policies.once,
    ecPolicies: ecPolicies.once,
    problems: [
      ...problems,
      ...parsed.flatMap((set) => set.problems),
      ...policies.duplicates,
      ...ecPolicies.duplicates.map((duplicate) => ({ ...duplicate, kind: 'ErasureCodingPolicy' as const })),
    ],
  };
}

/** Of policies of one name none is used: nobody can tell which one was meant. */
function onlyOnce<T>(all: readonly { name: string; source: string; found: T }[]): { once: T[]; duplicates: PolicyProblem[] } {
  const byName = new Map<string, typeof all>();
  for (const one of all) {
    byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  }
  const duplicates = [...byName].filter(([, found]) => found.length > 1);
  return {
    once: all.filter(({ name }) => byName.get(name)?.length === 1).map(({ found }) => found),
    duplicates: duplicates.map(([name, found]) => duplicate(name, found)),
  };
}

function duplicate(name: string, found: readonly { source: string }[]): PolicyProblem {
  const sources = [...new Set(found.map(({ source }) => source))];
  const message = `${sources.join(' and ')}: metadata.name ${name} is used ${found.length} times, and none of them is in force. Rename or remove all but one.`;
  return { name, source: sources.join(', '), message };
}

async function readSnapshot(folder: string): Promise<Snapshot> {
  const files = new Map<string, string>();
  const problems: PolicyProblem[] = [];
  const complain = (source: string, message: string): void => {
    problems.push({ name: source, source, message: `${source}: ${message}` });
  };
  try {
    const names = (await readdir(folder)).filter((name) => /\.ya?ml$/i.test(name) && !name.startsWith('.')).sort();
    if (names.length > filesMax) {
      complain(folder, `more than ${filesMax} YAML files; the rest is not read. Put several documents into one file.`);
    }
    for (const name of names.slice(0, filesMax)) {
      await readPolicyFile(join(folder, name), files, complain);
    }
  } catch (error) {
    complain(folder, `the policy folder cannot be read (${describeError(error)}). Create it, or correct --policy-dir (POLICY_DIR).`);
  }
  const hash = createHash('sha256')
    .update(JSON.stringify([[...files], problems]))
    .digest('hex');
  return { hash, files, problems };
}

async function readPolicyFile(
  path: string,
  files: Map<string, string>,
  complain: (source: string, message: string) => void,
): Promise<void> {
  try {
    const { size, isFile } = await stat(path).then((found) => ({ size: found.size, isFile: found.isFile() }));
    if (!isFile) {
      return;
    }
    if (size > fileBytesMax) {
      complain(path, `${size} bytes, and a policy file has at most ${fileBytesMax}. Remove it, or split it.`);
      return;
    }
    files.set(path, await readFile(path, 'utf8'));
  } catch (error) {
    complain(path, `cannot be read (${describeError(error)}). Correct its permissions, or remove it.`);
  }
}
