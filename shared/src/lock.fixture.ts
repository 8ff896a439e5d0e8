/**
 * A process that takes a lock and says what it believes, run by lock.conformance.ts: `held`, then `believes <time>` again and again for as
 * long as the lock is surely held, and `lost` once it is told so. It ends with its standard input, and gives the lock back on SIGTERM.
 */
import { connectBus } from './bus/connect.ts';
import { KubeApi } from './kubernetes/api.ts';
import { leaseLock } from './kubernetes/lease-lock.ts';
import type { Lock } from './lock.ts';
import { kvLock } from './lock-kv.ts';
import { quietLogger } from './testing/quiet-logger.ts';

const beliefIntervalMs = 10;

/** Where the lock is kept: the only argument, as JSON. */
export type LockPlace = { readonly lock: string; readonly leaseMs: number } & (
  | { readonly natsUrl: string }
  | { readonly kubeconfig: string; readonly namespace: string; readonly requestTimeoutMs: number }
);

const place = JSON.parse(process.argv[2] ?? '') as LockPlace;
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const lock = await lockAt(place);
const hold = await lock.acquire({ signal: new AbortController().signal });
say('held');
hold.lost.addEventListener('abort', () => say('lost'));
setInterval(() => {
  if (hold.surelyHeldFor(0)) {
    say(`believes ${Date.now()}`);
  }
}, beliefIntervalMs);
process.on('SIGTERM', () => void hold.release().then(() => process.exit(0)));
process.stdin.resume();
process.stdin.once('end', () => process.exit(1));

async function lockAt(at: LockPlace): Promise<Lock> {
  const o = { holder: 'process', leaseMs: at.leaseMs };
  if ('natsUrl' in at) {
    return kvLock(await connectBus({ url: at.natsUrl, name: 'migrator', logger: quietLogger() }), at.lock, o);
  }
  return leaseLock(KubeApi.load(at), { namespace: at.namespace, name: at.lock }, o);
}
