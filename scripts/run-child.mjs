/**
 * Runs Node as a child that takes our place: it has our terminal, gets each signal once, and its end is ours.
 *
 * The child is the leader of a process group of its own. In our group, Ctrl-C would reach it from the terminal, and again from npm, which
 * passes on what it gets itself; and a second signal means "at once" to CoucheStor. So signals come only from here, where those that
 * arrive together are taken for one.
 */
import { spawn } from 'node:child_process';

/** Nobody presses Ctrl-C twice within it on purpose; npm and the terminal need far less. */
const oneSignalMs = 300;

const stopSignals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * @param {readonly string[]} args Of Node: the script and its arguments.
 * @param {{ env: NodeJS.ProcessEnv, cwd?: string }} o
 * @returns {Promise<number>} Its exit code. Where a signal ended it, the same signal ends this process.
 */
export async function runChild(args, { env, cwd }) {
  const stopWithParent = new URL('./stop-with-parent.mjs', import.meta.url).href;
  const child = spawn(process.execPath, ['--import', stopWithParent, ...args], {
    env: { ...env, COUCHESTOR_LAUNCHER_PID: String(process.pid) },
    cwd,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: true,
  });
  /** @type {Map<NodeJS.Signals, number>} */
  const passedOnAt = new Map();
  /** @param {NodeJS.Signals} signal */
  const passOn = (signal) => {
    const now = performance.now();
    if (now - (passedOnAt.get(signal) ?? Number.NEGATIVE_INFINITY) > oneSignalMs) {
      passedOnAt.set(signal, now);
      // The terminal is gone: stop as for any other reason.
      child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal);
    }
  };
  const resized = () => void child.kill('SIGWINCH');
  for (const signal of stopSignals) {
    process.on(signal, passOn);
  }
  process.on('SIGWINCH', resized);

  const { code, signal } = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  for (const name of stopSignals) {
    process.off(name, passOn);
  }
  process.off('SIGWINCH', resized);
  if (signal !== null) {
    process.kill(process.pid, signal);
  }
  return code ?? 1;
}
