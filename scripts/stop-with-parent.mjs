/**
 * Loaded into what run-child.mjs starts: where the launcher is killed outright, this process is told to stop, too. Its own children inherit
 * the option that loads this, and are none of the launcher's.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.channel !== undefined && process.env['COUCHESTOR_LAUNCHER_PID'] === String(process.ppid)) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // Listening alone must not keep the process alive.
  process.channel?.unref();
}
