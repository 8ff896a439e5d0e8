/**
 * What proves who we are, fresh at every call: files are read again, tokens renewed, plugins run when theirs has expired.
 *
 * The authenticators are those of @kubernetes/client-node, taken file by file and only when the kubeconfig asks for one: the package as a
 * whole brings models of every Kubernetes object, 75 MB of memory in each process.
 */
import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { describeError } from '../errors.ts';
import { KubeError } from './errors.ts';
import type { KubeTarget } from './kubeconfig.ts';

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: {
    readonly ca?: string | Buffer;
    readonly cert?: string | Buffer;
    readonly key?: string | Buffer;
    readonly rejectUnauthorized: boolean;
    readonly servername?: string;
  };
}

/** Token files are replaced minutes before the token in them expires; kubelet and client-go look once a minute too. */
const keptMs = 60_000;
const pluginDeadlineMs = 30_000;

interface Authenticator {
  applyAuthentication(user: never, options: RequestOptions): Promise<void>;
}

export class CredentialSource {
  readonly #target: KubeTarget;
  #kept: { readonly credentials: Credentials; readonly atMs: number } | undefined;
  #underWay: Promise<Credentials> | undefined;
  #authenticator: Authenticator | undefined;

  constructor(target: KubeTarget) {
    this.#target = target;
  }

  /** Throws KubeError CREDENTIALS, naming the file or the command. */
  async current(): Promise<Credentials> {
    if (this.#kept !== undefined && performance.now() - this.#kept.atMs < keptMs) {
      return this.#kept.credentials;
    }
    // One at a time, however many calls wait: a plugin may ask a person or count against a quota.
    this.#underWay ??= this.#read().finally(() => {
      this.#underWay = undefined;
    });
    return await withDeadline(this.#underWay, this.#target.user.exec?.command ?? 'reading credentials');
  }

  /** After a connection that failed: the next call reads the files again, as another authority may have signed the server's certificate. */
  readAgain(): void {
    this.#kept = undefined;
  }

  /** After a 401: the next call asks anew, also of a plugin whose token has not expired. */
  forget(): void {
    this.#kept = undefined;
    this.#authenticator = undefined;
  }

  async #read(): Promise<Credentials> {
    const { ca, user, verifiesServer, serverName } = this.#target;
    const headers: Record<string, string> = {};
    const options: RequestOptions = { headers };
    await this.#authenticate(options);
    const token = user.token || (user.tokenFile ? (await read(user.tokenFile)).toString('utf8').trim() : '');
    const password = user.username ? Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64') : '';
    const caBytes = await fileOrData(ca.file, ca.data);
    const cert = (await fileOrData(user['client-certificate'], user['client-certificate-data'])) ?? textOf(options.cert);
    const key = (await fileOrData(user['client-key'], user['client-key-data'])) ?? textOf(options.key);
    const credentials: Credentials = {
      headers: {
        ...lowerCased(headers),
        ...(password === '' ? {} : { authorization: `Basic ${password}` }),
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(user.as ? { 'impersonate-user': user.as } : {}),
      },
      tls: {
        rejectUnauthorized: verifiesServer,
        ...(caBytes === undefined ? {} : { ca: caBytes }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(serverName === undefined ? {} : { servername: serverName }),
      },
    };
    this.#kept = { credentials, atMs: performance.now() };
    return credentials;
  }

  async #authenticate(options: RequestOptions): Promise<void> {
    const { user, userName, server } = this.#target;
    if (!user.exec && !user['auth-provider']) {
      return;
    }
    this.#authenticator ??= user.exec
      ? new (await import('@kubernetes/client-node/dist/exec_auth.js')).ExecAuth()
      : new (await import('@kubernetes/client-node/dist/oidc_auth.js')).OpenIDConnectAuth();
    const exec = user.exec ? { ...user.exec, env: [...(user.exec.env ?? []), execInfo(user.exec.apiVersion, server)] } : undefined;
    try {
      await this.#authenticator.applyAuthentication({ name: userName, exec, authProvider: user['auth-provider'] } as never, options);
    } catch (error) {
      // Neither its output nor the parser's quotation of it: a token may be in there. That the command is missing shows in the code.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed; run it by hand to see why';
      throw new KubeError('CREDENTIALS', { user: userName, command: user.exec?.command ?? 'oidc', problem: code });
    }
  }
}

/** Plugins ask for it, to know which version of the answer to give. */
function execInfo(apiVersion: string, server: string): { name: string; value: string } {
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false, cluster: { server } } };
  return { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) };
}

/** The plugin is not ended, and not run a second time beside itself: whoever asks next waits for the same run. */
async function withDeadline<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KubeError('CREDENTIALS', { command: what, waitedMs: pluginDeadlineMs })), pluginDeadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function fileOrData(file: string | null | undefined, data: string | null | undefined): Promise<Buffer | undefined> {
  if (data) {
    return Buffer.from(data, 'base64');
  }
  return file ? await read(file) : undefined;
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new KubeError('CREDENTIALS', { file, problem: describeError(error) });
  }
}

/** So that a token of the kubeconfig replaces the plugin's, and does not stand beside it. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function textOf(value: RequestOptions['key']): string | Buffer | undefined {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value : undefined;
}
