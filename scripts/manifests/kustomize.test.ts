import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKustomize } from './kustomize.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'couchestor-kustomize-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('a kustomize', () => {
  it.each([
    ['kubectl', '{"clientVersion":{"major":"1","minor":"32+"}}', 'kustomize'],
    ['kubectl', '{"clientVersion":{"major":"1","minor":"24"}}', 'kustomize'],
    ['kustomize', '{Version:kustomize/v4.5.4 GitCommit:cf3a452}', 'build'],
    ['kustomize', 'v5.5.0', 'build'],
  ])('is %s that calls itself %s', async (name, version, command) => {
    await program(name, version);
    const kustomize = await findKustomize({ PATH: folder });
    expect(await kustomize('deploy/monitoring')).toMatch(new RegExp(`^${command} /.*/deploy/monitoring\n$`));
  });

  it('is passed over where it is too old, and another one is taken', async () => {
    await program('kubectl', '{"clientVersion":{"major":"1","minor":"20"}}');
    await program('kustomize', 'v5.5.0');
    const kustomize = await findKustomize({ PATH: folder });
    expect(await kustomize('deploy/monitoring')).toMatch(/^build /);
  });

  it('may be named by a variable', async () => {
    const path = await program('my-kubectl', '{"clientVersion":{"major":"1","minor":"30"}}');
    const kustomize = await findKustomize({ TEST_ASSET_KUBECTL: path });
    expect(await kustomize('deploy/monitoring')).toMatch(/^kustomize /);
  });
});

/** Says its version, or what it is asked to do. */
async function program(name: string, version: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\nif [ "$1" = version ]; then echo '${version}'; else echo "$@"; fi\n`);
  await chmod(path, 0o755);
  return path;
}
