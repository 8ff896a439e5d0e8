/** A server over memory, for one test. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { afterEach } from 'vitest';
import { MemoryDevice, MemoryExports } from './memory-device.fixture.ts';
import { type NbdServer, type NbdServerInput, startNbdServer } from './server.ts';

export interface TestServer {
  readonly server: NbdServer;
  readonly device: MemoryDevice;
  readonly exports: MemoryExports;
  readonly dir: string;
}

const undone: (() => Promise<void>)[] = [];

/** To be called once by each file that uses `serve`. */
export function closeServersAfterEach(): void {
  afterEach(async () => {
    for (const undo of undone.splice(0).reverse()) {
      await undo();
    }
  });
}

/** A folder for one test. */
export async function testDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'couchestor-nbd-'));
  undone.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Over a unix socket, or over TCP. The export "vol" has the device. */
export async function serve(
  o: Partial<Omit<NbdServerInput, 'listen' | 'exports'>> & {
    sizeBytes?: number;
    isTcp?: boolean;
    others?: Readonly<Record<string, MemoryDevice>>;
  } = {},
): Promise<TestServer> {
  const { sizeBytes = 4 * 2 ** 20, isTcp = false, others = {}, ...rest } = o;
  const dir = await testDir();
  const device = new MemoryDevice(sizeBytes);
  const exports = new MemoryExports({ vol: device, ...others });
  const listen = isTcp ? { host: '127.0.0.1', port: 0 } : { unixPath: join(dir, 'nbd.sock') };
  const server = await startNbdServer({ exports, listen, logger: quietLogger(), ...rest });
  undone.push(() => server.close(0));
  return { server, device, exports, dir };
}
