import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildApiServer } from './build-api-server.ts';

test('where the archive has no such packages the error names the step, what apt said and the cures', async () => {
  const scratchDir = await mkdtemp(join(tmpdir(), 'couchestor-build-'));
  const etcDir = join(scratchDir, 'etc');
  await mkdir(etcDir);
  const told: string[] = [];
  const building = buildApiServer({ targetDir: join(scratchDir, 'built'), scratchDir, etcDir, log: (line) => void told.push(line) });
  await expect(building).rejects.toMatchObject({
    code: 'SERVER_BUILD_FAILED',
    message: expect.stringMatching(/KUBEBUILDER_ASSETS.*step=fetching packages and sources.*golang-1\.19-go/),
  });
  expect(told).toEqual(['fetching packages and sources']);
  await rm(scratchDir, { recursive: true });
});
