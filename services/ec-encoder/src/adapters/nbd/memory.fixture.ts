/**
 * A process with servers over a device without any memory, so that all of its memory is theirs. Its arguments are the paths of their sockets:
 * of one for good clients, and of one that soon cuts off who takes nothing.
 */
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import type { BlockDevice } from './block-device.ts';
import { startNbdServer } from './server.ts';

/** Reads and writes take a while, so that many are in hand at a time. */
const device: BlockDevice = {
  sizeBytes: 2 ** 33,
  isReadOnly: false,
  read: async (_, into) => {
    await new Promise((resolve) => setTimeout(resolve, 2));
    // Memory that nobody has written to is not there yet.
    into.fill(1);
  },
  write: () => new Promise((resolve) => setTimeout(resolve, 2)),
  flush: async () => undefined,
  zero: async () => undefined,
  status: async (_, lengthBytes) => [{ lengthBytes, isHole: false }],
};

async function main(): Promise<void> {
  const exports = {
    list: () => [{ name: 'vol', description: '' }],
    open: async () => ({ device, close: () => undefined }),
  };
  const [unixPath = '', hurriedPath = ''] = process.argv.slice(2);
  const limits = { serverBytesMax: 64 * 2 ** 20, connectionBytesMax: 48 * 2 ** 20 };
  const logger = quietLogger();
  await startNbdServer({ exports, listen: { unixPath }, limits, logger });
  await startNbdServer({ exports, listen: { unixPath: hurriedPath }, limits: { ...limits, stalledTimeoutMs: 200 }, logger });
  process.stdout.write('up\n');
}

await main();
