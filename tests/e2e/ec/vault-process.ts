/** A vault as an operator runs it: ec-encoder as a process of its own, its drives folders whose files fail on demand. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation, OperationResult, VaultStatus } from '@couchestor/shared/contracts/vault';
import { type ServiceProcess, startServiceProcess } from '@couchestor/shared/testing/service-process';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { VaultClient } from '@couchestor/shared/vault-client';
import { FaultControl, faultsEnv } from '../../faults/run-with-faults.ts';

const main = new URL('../../../services/ec-encoder/src/main.ts', import.meta.url);
const clientTimeoutMs = 30_000;
const stopTimeoutMs = 30_000;
export const policyName = 'small';

export interface VaultProcessInput {
  readonly drives: number;
  /** Fields of the ErasureCodingPolicy, as YAML between braces would have them. Default: 4 + 2, stripes of 256 KiB, a journal of 16 MiB. */
  readonly spec?: Readonly<Record<string, unknown>>;
  /** In folders of their own, which are no drives. 0: on the drives. */
  readonly journalCopies?: number;
  /** Default: NATS is told nothing. */
  readonly natsUrl?: string;
  readonly flags?: readonly string[];
}

const smallSpec = {
  dataShards: 4,
  parityShards: 2,
  stripeSizeBytes: 262_144,
  journalConfig: { journalSizeBytes: 16_777_216, replicationFactor: 1, destageThresholdPercent: 50, destageInterval: '1s' },
};

export class VaultProcess {
  readonly dir: string;
  /** All below it can be made to fail. */
  readonly root: string;
  readonly faults: FaultControl;
  readonly client: VaultClient;
  readonly #input: VaultProcessInput;
  readonly #outputs: string[] = [];
  #process: ServiceProcess | undefined;

  private constructor(o: { dir: string; faults: FaultControl; input: VaultProcessInput }) {
    this.dir = o.dir;
    this.root = join(o.dir, 'root');
    this.faults = o.faults;
    this.#input = o.input;
    this.client = new VaultClient({ at: { unixPath: join(this.dataDir, 'api.sock') }, timeoutMs: clientTimeoutMs });
  }

  /** Resolves once it serves. */
  static async start(input: VaultProcessInput): Promise<VaultProcess> {
    // Short: the paths of sockets are.
    const dir = await mkdtemp(join(tmpdir(), 'couchestor-ev-'));
    await mkdir(join(dir, 'root'));
    const vault = new VaultProcess({ dir, faults: await FaultControl.create(join(dir, 'faults')), input });
    const document = { apiVersion: 'storage.billyronks.io/v1', kind: 'ErasureCodingPolicy', metadata: { name: policyName } };
    await mkdir(vault.policyDir);
    await writeFile(join(vault.policyDir, 'policy.yaml'), JSON.stringify({ ...document, spec: { ...smallSpec, ...input.spec } }));
    try {
      await vault.serve();
    } catch (error) {
      await vault.remove();
      throw error;
    }
    return vault;
  }

  get dataDir(): string {
    return join(this.root, 'data');
  }

  get policyDir(): string {
    return join(this.dir, 'policies');
  }

  get nbdSocket(): string {
    return join(this.dir, 'nbd.sock');
  }

  get pid(): number {
    return this.#running().pid;
  }

  /** Of all processes that served it. */
  get output(): string {
    return [...this.#outputs, this.#process?.output() ?? ''].join('\n');
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode() === null;
  }

  /** The folder that a drive was given as, by its number. A replaced drive has a folder elsewhere: ask the vault. */
  drivePath(number: number): string {
    return join(this.root, `drive-${number}`);
  }

  journalPath(copy: number): string {
    return join(this.root, `journal-${copy}`);
  }

  uri(name: string, over: 'unix' | 'tcp' = 'unix'): string {
    if (over === 'unix') {
      return `nbd+unix:///${name}?socket=${this.nbdSocket}`;
    }
    const port = /"nbd":"[^"]*127\.0\.0\.1:(\d+)/.exec(this.output)?.[1];
    return `nbd://127.0.0.1:${port}/${name}`;
  }

  /** Flags that name the drives and the journal, as `ec reindex` wants them too. */
  placeFlags(): string[] {
    const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
    return [
      ...['--data-dir', this.dataDir],
      ...numbers(this.#input.drives).flatMap((number) => ['--drive', `${this.drivePath(number)},disk=disk-${number}`]),
      ...numbers(this.#input.journalCopies ?? 1).flatMap((copy) => ['--journal', `${this.journalPath(copy)},domain=journal-${copy}`]),
    ];
  }

  metrics(): Promise<string> {
    return this.#running().metrics();
  }

  readiness(): ReturnType<ServiceProcess['readiness']> {
    return this.#running().readiness();
  }

  async serve(): Promise<void> {
    const { natsUrl, flags = [] } = this.#input;
    const env = await faultsEnv({ root: this.root, control: this.faults.path });
    const cache = Object.fromEntries(
      ['HOME', 'XDG_CACHE_HOME'].flatMap((name) => (name in process.env ? [[name, process.env[name]]] : [])),
    );
    this.#process = await startServiceProcess(
      main,
      [
        ...this.placeFlags(),
        ...['--ec-policy', policyName, '--policy-dir', this.policyDir],
        ...['--nbd-listen', this.nbdSocket, '--nbd-listen', '127.0.0.1:0'],
        ...(natsUrl === undefined ? ['--without-nats'] : ['--nats-url', natsUrl]),
        ...flags,
      ],
      { ...env, ...cache },
    );
  }

  /** As `kill` and systemd do it. The exit code is 0 where everything was ended in order. */
  async stop(): Promise<number | null> {
    const running = this.#running();
    const force = setTimeout(() => running.kill('SIGKILL'), stopTimeoutMs);
    const code = await running.end('SIGTERM');
    clearTimeout(force);
    this.#outputs.push(running.output());
    this.#process = undefined;
    return code;
  }

  /** Ends it, however it is, and removes everything. */
  async remove(): Promise<void> {
    await this.faults.set([]);
    await this.#process?.end('SIGKILL');
    await this.client.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  async status(): Promise<VaultStatus> {
    return await this.client.status();
  }

  /** Until every stripe has all its shards on drives that work. */
  async untilHealthy(timeoutMs = 30_000): Promise<void> {
    let last = '';
    const healthy = async (): Promise<boolean> => {
      const { stripes, drives, phase, conditions } = await this.status();
      last = JSON.stringify({ phase, stripes, conditions, drives: drives.map(({ number, state, reason }) => ({ number, state, reason })) });
      return stripes.degraded === 0 && stripes.lost === 0 && drives.every(({ state }) => state === 'online');
    };
    await waitUntil(healthy, { timeoutMs, intervalMs: 100, what: 'the vault to be healthy' }).catch((cause: unknown) => {
      throw new Error(`the vault does not become healthy: ${last}`, { cause });
    });
  }

  /** Follows an operation to its end. Throws where it fails. */
  async finish(begun: Operation, timeoutMs = 60_000): Promise<OperationResult> {
    let now = begun;
    await waitUntil(
      async () => {
        now = await this.client.operation(begun.id);
        return now.phase !== 'running';
      },
      { timeoutMs, intervalMs: 50, what: `${begun.kind} to end` },
    );
    if (now.result === undefined) {
      throw new Error(`${begun.kind} ${now.phase}: ${JSON.stringify(now.error)}`);
    }
    return now.result;
  }

  #running(): ServiceProcess {
    if (this.#process === undefined) {
      throw new Error('the vault is not being served');
    }
    return this.#process;
  }
}
