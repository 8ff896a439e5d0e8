/** Programs of other projects, run to their end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type StorageClientName, storageClient } from '@couchestor/shared/testing/storage-clients';

const outputBytesMax = 16 * 2 ** 20;

/** What it prints. Rejects where it ends with anything but 0, or takes too long. */
export async function runClient(name: StorageClientName, args: readonly string[], timeoutMs = 60_000): Promise<string> {
  const { path, env } = await storageClient(name);
  const { stdout } = await promisify(execFile)(path, [...args], { env, timeout: timeoutMs, maxBuffer: outputBytesMax });
  return stdout;
}

/** As `runClient`, where it is expected to fail: its exit code and all that it prints. */
export async function failClient(name: StorageClientName, args: readonly string[]): Promise<{ code: unknown; output: string }> {
  const { path, env } = await storageClient(name);
  try {
    const { stdout, stderr } = await promisify(execFile)(path, [...args], { env, timeout: 60_000, maxBuffer: outputBytesMax });
    return { code: 0, output: `${stdout}${stderr}` };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout?: string; stderr?: string };
    return { code, output: `${stdout}${stderr}` };
  }
}
