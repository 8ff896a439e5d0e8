import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubeError } from './errors.ts';
import { findKubeTarget } from './kubeconfig.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const whole = `
apiVersion: v1
kind: Config
current-context: here
contexts: [{ name: here, context: { cluster: c, user: u } }]
clusters: [{ name: c, cluster: { server: 'https://10.0.0.1:6443/', certificate-authority: ca.crt } }]
users: [{ name: u, user: { tokenFile: sub/token, client-certificate: /abs/cert } }]
`;

function failureOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(KubeError.is(error, 'CONFIG')).toBe(true);
    return (error as Error).message;
  }
  throw new TypeError('it did not fail');
}

describe('findKubeTarget', () => {
  it('reads a kubeconfig, with paths relative to it', () => {
    const target = findKubeTarget({ kubeconfig: write('config', whole), env: { KUBECONFIG: '/nowhere' } });
    expect(target).toMatchObject({ server: 'https://10.0.0.1:6443', ca: { file: join(folder, 'ca.crt') }, verifiesServer: true });
    expect(target.user).toMatchObject({ tokenFile: join(folder, 'sub/token'), 'client-certificate': '/abs/cert' });
  });

  it('takes KUBECONFIG before the ServiceAccount of the pod, and that before the home directory', () => {
    const serviceAccountFolder = join(folder, 'account');
    mkdirSync(serviceAccountFolder);
    writeFileSync(join(serviceAccountFolder, 'token'), 't');
    mkdirSync(join(folder, '.kube'));
    write('.kube/config', whole);
    const env = { HOME: folder, KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443', KUBECONFIG: write('named', whole) };

    expect(findKubeTarget({ env, serviceAccountFolder }).ca.file).toBe(join(folder, 'ca.crt'));
    expect(findKubeTarget({ env: { ...env, KUBECONFIG: '' }, serviceAccountFolder })).toMatchObject({
      server: 'https://[fd00::1]:443',
      ca: { file: join(serviceAccountFolder, 'ca.crt') },
      user: { tokenFile: join(serviceAccountFolder, 'token') },
    });
    expect(findKubeTarget({ env: { HOME: folder }, serviceAccountFolder }).ca.file).toBe(join(folder, '.kube', 'ca.crt'));
  });

  it('lets the first of several files win', () => {
    const first = write('first', 'current-context: there\nusers: [{ name: u, user: { token: mine } }]');
    const second = write('second', whole.replaceAll('here', 'there'));
    expect(findKubeTarget({ env: { KUBECONFIG: `${first}:${second}` } })).toMatchObject({
      server: 'https://10.0.0.1:6443',
      user: { token: 'mine' },
    });
  });

  it('names all places that it looked in', () => {
    const message = failureOf(() => findKubeTarget({ env: { HOME: folder }, serviceAccountFolder: '/no/such' }));
    expect(message).toContain('--kubeconfig, KUBECONFIG');
    expect(message).toContain('/no/such/token');
    expect(message).toContain(join(folder, '.kube/config'));
  });

  it.each([
    ['a file that is not there', undefined, 'ENOENT'],
    ['no current context', whole.replace('current-context: here', ''), 'field=current-context'],
    ['a context that is not there', whole.replace('current-context: here', 'current-context: gone'), 'has no entry named gone'],
    ['a user that is not there', whole.replace('name: u, user', 'name: v, user'), 'has no entry named u'],
    ['a server that is no URL', whole.replace('https://10.0.0.1:6443/', '10.0.0.1'), 'field=clusters.0.cluster.server'],
    ['an obsolete provider', whole.replace('tokenFile: sub/token', 'auth-provider: { name: gcp }'), 'use an exec plugin'],
    ['a SOCKS proxy', whole.replace('server:', 'proxy-url: "socks5://p", server:'), 'field=proxy-url'],
  ])('says what is wrong with %s', (_, text, expected) => {
    const kubeconfig = text === undefined ? join(folder, 'absent') : write('config', text);
    expect(failureOf(() => findKubeTarget({ kubeconfig, env: {} }))).toContain(expected);
  });

  it('quotes nothing of a file that is not YAML, or whose token has the wrong shape', () => {
    for (const text of ['users: [{ name: u, user: { token: s3cr3t', whole.replace('tokenFile: sub/token', 'token: [s3cr3t]')]) {
      expect(failureOf(() => findKubeTarget({ kubeconfig: write('config', text), env: {} }))).not.toContain('s3cr3t');
    }
  });
});
