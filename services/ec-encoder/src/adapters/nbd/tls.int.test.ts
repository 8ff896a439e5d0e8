import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { promisify } from 'node:util';
import { quietLogger } from '@couchestor/shared/testing/quiet-logger';
import { storageClient } from '@couchestor/shared/testing/storage-clients';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { describe, expect, it } from 'vitest';
import { type CertificateFiles, TestAuthority } from './certificates.fixture.ts';
import { MemoryDevice, MemoryExports } from './memory-device.fixture.ts';
import { infoData, optionBytes, RawClient } from './raw-client.fixture.ts';
import { closeServersAfterEach, serve, testDir } from './server.fixture.ts';
import { type NbdServer, startNbdServer } from './server.ts';

closeServersAfterEach();

/** The authority, and a certificate of the server. Named as qemu wants the files of its clients named. */
async function certificates(): Promise<{ dir: string; authority: TestAuthority; tls: CertificateFiles }> {
  const dir = await testDir();
  const authority = await TestAuthority.make(dir, 'ca-cert');
  return { dir, authority, tls: await authority.issue('server') };
}

/** A client past STARTTLS, whose server may still refuse its certificate. */
async function secured(server: NbdServer, o: { caFile: string; own?: CertificateFiles; options?: ConnectionOptions }): Promise<RawClient> {
  const plain = await RawClient.greeted(server);
  plain.send(optionBytes(5));
  expect((await plain.optionReply()).type).toBe(1);
  plain.socket.removeAllListeners('data');
  const own = o.own === undefined ? {} : { cert: await readFile(o.own.certFile), key: await readFile(o.own.keyFile) };
  const socket = connect({ socket: plain.socket, ca: await readFile(o.caFile), servername: 'localhost', ...own, ...o.options });
  const client = new RawClient(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return client;
}

describe('TLS', () => {
  it('serves qemu-io when it is required, and tells others nothing', async () => {
    const { dir, tls } = await certificates();
    const { server } = await serve({ isTcp: true, tls, requireTls: true });
    const { address } = server;
    if (typeof address === 'string') {
      throw new Error('this is to be TCP');
    }
    const plain = await RawClient.greeted(server);
    plain.send(Buffer.concat([optionBytes(3), optionBytes(7, infoData('vol'))]));
    expect([(await plain.optionReply()).type, (await plain.optionReply()).type]).toEqual([0x8000_0005, 0x8000_0005]);
    plain.send(optionBytes(1, Buffer.from('vol')));
    expect(await plain.over()).toHaveLength(0);
    plain.close();
    const qemu = await storageClient('qemu-io');
    const image = `driver=nbd,host=127.0.0.1,port=${address.port},export=vol,tls-creds=tls0`;
    const args = ['--object', `tls-creds-x509,id=tls0,endpoint=client,dir=${dir}`, '--image-opts', image];
    const ran = await promisify(execFile)(qemu.path, [...args, '-c', 'write -P 5 0 2M', '-c', 'read -P 5 0 2M'], {
      env: qemu.env,
      timeout: 20_000,
    });
    expect(ran.stdout).toContain('read 2097152/2097152');
    expect(ran.stdout).not.toMatch(/failed|mismatch/i);
  });

  it('takes nothing for secure that was sent in the clear after asking for it', async () => {
    const { tls } = await certificates();
    const { server } = await serve({ tls });
    const client = await RawClient.greeted(server);
    client.send(Buffer.concat([optionBytes(5), optionBytes(3)]));
    expect(await client.over()).toHaveLength(0);
    client.close();
  });

  it('forgets what was agreed in the clear, and does not begin twice', async () => {
    const { authority, tls } = await certificates();
    const { server } = await serve({ tls });
    const client = await secured(server, { caFile: authority.caFile });
    client.send(optionBytes(5));
    expect((await client.optionReply()).type).toBe(0x8000_0003);
    client.send(optionBytes(7, infoData('vol')));
    await client.optionReplies();
    expect(await client.ask({ type: 0, length: 8 }, 8)).toMatchObject({ isStructured: false, error: 0 });
    client.close();
  });

  it('is not begun with files that do not do, nor required where there are none', async () => {
    const dir = await testDir();
    const o = {
      listen: { unixPath: join(dir, 's') },
      exports: new MemoryExports({ vol: new MemoryDevice(65_536) }),
      logger: quietLogger(),
    };
    const files = { certFile: join(dir, 'none'), keyFile: join(dir, 'none') };
    await expect(startNbdServer({ ...o, tls: files })).rejects.toMatchObject({ code: 'NBD_BAD_TLS' });
    await expect(startNbdServer({ ...o, requireTls: true })).rejects.toMatchObject({ code: 'NBD_NO_TLS' });
    const { authority, tls } = await certificates();
    const other = await authority.issue('other');
    await expect(startNbdServer({ ...o, tls: { ...tls, keyFile: other.keyFile } })).rejects.toMatchObject({ code: 'NBD_BAD_TLS' });
  });
});

describe('a server that asks for certificates', () => {
  async function asking() {
    const { authority, tls } = await certificates();
    const test = await serve({ tls: { ...tls, clientCaFile: authority.caFile }, requireTls: true });
    return { ...test, authority };
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('serves who shows one of its authority, over %s', async (version) => {
    const { server, authority } = await asking();
    const own = await authority.issue('client');
    const client = await secured(server, { caFile: authority.caFile, own, options: { minVersion: version, maxVersion: version } });
    client.send(optionBytes(7, infoData('vol')));
    expect((await client.optionReplies()).map(({ type }) => type)).toEqual([3, 1]);
    expect((await client.ask({ type: 1, payload: Buffer.alloc(100_000, 3) })).error).toBe(0);
    expect((await client.ask({ type: 0, length: 100_000 }, 100_000)).data.equals(Buffer.alloc(100_000, 3))).toBe(true);
    client.close();
  });

  it.each(['none', 'one of another authority', 'the name of the authority, signed by another'])(
    'tells nothing to who shows %s',
    async (shown) => {
      const { server, authority, exports } = await asking();
      const name = shown === 'one of another authority' ? 'stranger' : 'ca-cert';
      const own = shown === 'none' ? undefined : await (await TestAuthority.make(await testDir(), name)).issue('client');
      // With TLS 1.3 a client believes itself through before the server has looked at its certificate.
      const client = await secured(server, { caFile: authority.caFile, ...(own === undefined ? {} : { own }) }).catch(() => undefined);
      client?.send(Buffer.concat([optionBytes(3), optionBytes(7, infoData('vol'))]));
      expect((await client?.over()) ?? Buffer.alloc(0)).toHaveLength(0);
      client?.close();
      await waitUntil(() => server.connections() === 0, { what: 'the stranger is gone' });
      expect(exports.inUse).toBe(0);
    },
  );
});
