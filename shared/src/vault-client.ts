/**
 * The API of a vault, from outside: over its unix socket, or over TCP with a token.
 *
 * What the vault refuses is thrown as it was there, with its code, its facts and its cure. What does not come that far is a VaultClientError.
 */
import type { Readable } from 'node:stream';
import { Agent, type Dispatcher } from 'undici';
import type { z } from 'zod';
import {
  type BlobInfo,
  blobInfoSchema,
  type DriveStatus,
  driveStatusSchema,
  type Operation,
  operationSchema,
  type SnapshotInfo,
  snapshotInfoSchema,
  type VaultStatus,
  type VolumeDetail,
  type VolumeInfo,
  vaultErrorSchema,
  vaultStatusSchema,
  volumeDetailSchema,
  volumeInfoSchema,
} from './contracts/vault.ts';
import { blobsAnswer, drivesAnswer, type ListBlobsQuery, operationsAnswer, volumesAnswer } from './contracts/vault-requests.ts';
import { CodedError, defineErrors } from './errors.ts';

export const VaultClientError = defineErrors('VAULTCLIENT', {
  UNREACHABLE: {
    retry: true,
    help: 'The vault does not answer. Start it with `couchestor ec serve`; one that has just been started answers once its journal is replayed.',
  },
  TIMEOUT: { retry: true, help: 'The vault did not answer in time.' },
  BAD_ANSWER: { retry: false, help: 'What answers there is no vault, or one of another version.' },
});

/** JSON of a vault with thousands of volumes. */
const answerBytesMax = 64 * 1024 * 1024;
const connectionsMax = 64;
const connectTimeoutMs = 2_000;

export interface VaultClientInput {
  readonly at: { readonly unixPath: string } | { readonly url: string; readonly token?: string };
  /** Of one call without a body. Bodies of blobs may take their time as long as they move. */
  readonly timeoutMs: number;
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT' | 'HEAD';
  readonly path: string;
  readonly json?: unknown;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
}

export interface BlobBody {
  readonly info: BlobInfo;
  /** Of what was asked for. */
  readonly lengthBytes: number;
  /** Must be read to its end or destroyed. */
  readonly body: Readable;
}

export class VaultClient {
  readonly #agent: Agent;
  readonly #origin: string;
  readonly #where: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;

  constructor({ at, timeoutMs }: VaultClientInput) {
    const socket = 'unixPath' in at ? { socketPath: at.unixPath } : {};
    this.#agent = new Agent({
      connections: connectionsMax,
      connect: { ...socket, timeout: connectTimeoutMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    this.#origin = 'unixPath' in at ? 'http://localhost' : at.url.replace(/\/+$/, '');
    this.#where = 'unixPath' in at ? at.unixPath : this.#origin;
    this.#headers = 'unixPath' in at || at.token === undefined ? {} : { authorization: `Bearer ${at.token}` };
    this.#timeoutMs = timeoutMs;
  }

  status(): Promise<VaultStatus> {
    return this.#ask({ method: 'GET', path: '/v1/status' }, vaultStatusSchema);
  }

  async listVolumes(): Promise<VolumeInfo[]> {
    return (await this.#ask({ method: 'GET', path: '/v1/volumes' }, volumesAnswer)).volumes;
  }

  showVolume(name: string): Promise<VolumeDetail> {
    return this.#ask({ method: 'GET', path: volumePath(name) }, volumeDetailSchema);
  }

  createVolume(json: { name: string; sizeBytes: number }): Promise<VolumeInfo> {
    return this.#ask({ method: 'POST', path: '/v1/volumes', json }, volumeInfoSchema);
  }

  resizeVolume({ name, ...json }: { name: string; sizeBytes: number; force?: boolean }): Promise<VolumeInfo> {
    return this.#ask({ method: 'PATCH', path: volumePath(name), json }, volumeInfoSchema);
  }

  async removeVolume({ name, withSnapshots = false }: { name: string; withSnapshots?: boolean }): Promise<void> {
    await this.#send({ method: 'DELETE', path: volumePath(name), query: { withSnapshots: String(withSnapshots) } });
  }

  snapshot({ volume, name }: { volume: string; name: string }): Promise<SnapshotInfo> {
    return this.#ask({ method: 'POST', path: `${volumePath(volume)}/snapshots`, json: { name } }, snapshotInfoSchema);
  }

  async removeSnapshot({ volume, name }: { volume: string; name: string }): Promise<void> {
    await this.#send({ method: 'DELETE', path: `${volumePath(volume)}/snapshots/${segment(name)}` });
  }

  clone({ volume, snapshot, name }: { volume: string; snapshot: string; name: string }): Promise<VolumeInfo> {
    const path = `${volumePath(volume)}/snapshots/${segment(snapshot)}/clones`;
    return this.#ask({ method: 'POST', path, json: { name } }, volumeInfoSchema);
  }

  async listDrives(): Promise<DriveStatus[]> {
    return (await this.#ask({ method: 'GET', path: '/v1/drives' }, drivesAnswer)).drives;
  }

  addDrive(json: { path: string; domain?: Partial<DriveStatus['domain']> }): Promise<DriveStatus> {
    return this.#ask({ method: 'POST', path: '/v1/drives', json }, driveStatusSchema);
  }

  failDrive(drive: number | string): Promise<DriveStatus> {
    return this.#ask({ method: 'POST', path: '/v1/drives/fail', json: { drive } }, driveStatusSchema);
  }

  drainDrive(number: number): Promise<Operation> {
    return this.#ask({ method: 'POST', path: `/v1/drives/${number}/drain` }, operationSchema);
  }

  replaceDrive({ number, ...json }: { number: number; path: string; domain?: Partial<DriveStatus['domain']> }): Promise<Operation> {
    return this.#ask({ method: 'POST', path: `/v1/drives/${number}/replace`, json }, operationSchema);
  }

  begin(kind: 'scrub' | 'rebuild' | 'verify'): Promise<Operation> {
    return this.#ask({ method: 'POST', path: `/v1/${kind}` }, operationSchema);
  }

  /** @param to a folder on the machine of the vault */
  backup(to: string): Promise<Operation> {
    return this.#ask({ method: 'POST', path: '/v1/backup', json: { to } }, operationSchema);
  }

  operation(id: string): Promise<Operation> {
    return this.#ask({ method: 'GET', path: `/v1/operations/${segment(id)}` }, operationSchema);
  }

  async listOperations(): Promise<Operation[]> {
    return (await this.#ask({ method: 'GET', path: '/v1/operations' }, operationsAnswer)).operations;
  }

  cancelOperation(id: string): Promise<Operation> {
    return this.#ask({ method: 'DELETE', path: `/v1/operations/${segment(id)}` }, operationSchema);
  }

  /** Idempotent by its key. The blob is pending until it is adopted. */
  async putBlob(o: { key: string; body: Readable | Uint8Array; sizeBytes?: number; signal?: AbortSignal }): Promise<BlobInfo> {
    const call: Call = { method: 'PUT', path: blobPath(o.key) };
    const sizeBytes = o.body instanceof Uint8Array ? o.body.byteLength : o.sizeBytes;
    const answer = await this.#request(call, {
      body: o.body,
      headers: {
        'content-type': 'application/octet-stream',
        ...(sizeBytes === undefined ? {} : { 'content-length': String(sizeBytes) }),
      },
      // It is answered when the body has been written, however long that is.
      headersTimeout: 0,
      ...(o.signal === undefined ? {} : { signal: o.signal }),
    });
    return this.#read(call, answer, blobInfoSchema);
  }

  async headBlob(key: string): Promise<BlobInfo | undefined> {
    const call: Call = { method: 'HEAD', path: blobPath(key) };
    const { statusCode, headers, body } = await this.#request(call, { signal: AbortSignal.timeout(this.#timeoutMs) });
    await body.dump();
    if (statusCode === 404) {
      return undefined;
    }
    if (statusCode !== 200) {
      throw this.#badAnswer(call, `status ${statusCode}`);
    }
    return this.#blobOf(call, headers);
  }

  /** Undefined where there is no such blob. */
  async getBlob(o: {
    key: string;
    range?: { offsetBytes: number; lengthBytes: number };
    signal?: AbortSignal;
  }): Promise<BlobBody | undefined> {
    const call: Call = { method: 'GET', path: blobPath(o.key) };
    const { range } = o;
    const answer = await this.#request(call, {
      headers: range === undefined ? {} : { range: `bytes=${range.offsetBytes}-${range.offsetBytes + range.lengthBytes - 1}` },
      ...(o.signal === undefined ? {} : { signal: o.signal }),
    });
    if (answer.statusCode === 404) {
      await answer.body.dump();
      return undefined;
    }
    if (answer.statusCode >= 400) {
      await this.#refuse(call, answer);
    }
    return { info: this.#blobOf(call, answer.headers), lengthBytes: Number(answer.headers['content-length']), body: answer.body };
  }

  adoptBlob(key: string): Promise<BlobInfo> {
    return this.#ask({ method: 'POST', path: `${blobPath(key)}/adopt` }, blobInfoSchema);
  }

  /** Idempotent: also where there is none. */
  async releaseBlob(key: string): Promise<void> {
    await this.#send({ method: 'POST', path: `${blobPath(key)}/release` });
  }

  async listBlobs(query: ListBlobsQuery = {}): Promise<BlobInfo[]> {
    const asked = { after: query.after, state: query.state, limit: query.limit === undefined ? undefined : String(query.limit) };
    return (await this.#ask({ method: 'GET', path: '/v1/blobs', query: asked }, blobsAnswer)).blobs;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask<T>(call: Call, schema: z.ZodType<T>): Promise<T> {
    return this.#read(call, await this.#callJson(call), schema);
  }

  /** For answers without a body. */
  async #send(call: Call): Promise<void> {
    const answer = await this.#callJson(call);
    if (answer.statusCode >= 400) {
      await this.#refuse(call, answer);
    }
    await answer.body.dump();
  }

  #callJson(call: Call): Promise<Dispatcher.ResponseData> {
    const json = call.json === undefined ? {} : { body: JSON.stringify(call.json), headers: { 'content-type': 'application/json' } };
    return this.#request(call, { ...json, signal: AbortSignal.timeout(this.#timeoutMs) });
  }

  async #request(
    { method, path, query = {} }: Call,
    options: Partial<Pick<Dispatcher.RequestOptions, 'body' | 'signal' | 'headersTimeout'>> & { headers?: Record<string, string> },
  ): Promise<Dispatcher.ResponseData> {
    const asked = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    );
    try {
      return await this.#agent.request({
        ...options,
        origin: this.#origin,
        method,
        path: asked.length === 0 ? path : `${path}?${new URLSearchParams(asked)}`,
        headers: { ...this.#headers, ...options.headers },
      });
    } catch (cause) {
      throw this.#failure(cause);
    }
  }

  async #read<T>(call: Call, answer: Dispatcher.ResponseData, schema: z.ZodType<T>): Promise<T> {
    if (answer.statusCode >= 400) {
      await this.#refuse(call, answer);
    }
    const parsed = schema.safeParse(await this.#json(call, answer));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw this.#badAnswer(call, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
    }
    return parsed.data;
  }

  /** Throws what the vault threw. */
  async #refuse(call: Call, answer: Dispatcher.ResponseData): Promise<never> {
    const parsed = vaultErrorSchema.safeParse(await this.#json(call, answer));
    if (!parsed.success) {
      throw this.#badAnswer(call, `status ${answer.statusCode} without an error of a vault`);
    }
    const { code, help, retry, facts } = parsed.data;
    throw new CodedError({ code, entry: { help, retry }, facts });
  }

  async #json(call: Call, { body }: Dispatcher.ResponseData): Promise<unknown> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    try {
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        length += chunk.byteLength;
        if (length > answerBytesMax) {
          throw this.#badAnswer(call, `more than ${answerBytesMax} bytes`);
        }
        chunks.push(chunk);
      }
    } catch (cause) {
      throw cause instanceof CodedError ? cause : this.#failure(cause);
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8'));
    } catch {
      throw this.#badAnswer(call, 'no JSON');
    }
  }

  #blobOf(call: Call, headers: Dispatcher.ResponseData['headers']): BlobInfo {
    const parsed = blobInfoSchema.safeParse({
      blobId: headers['couchestor-blob-id'],
      state: headers['couchestor-blob-state'],
      createdAt: headers['couchestor-blob-created-at'],
      sizeBytes: Number(headers['couchestor-blob-size']),
    });
    if (!parsed.success) {
      throw this.#badAnswer(call, 'no headers of a blob');
    }
    return parsed.data;
  }

  #badAnswer({ method, path }: Call, problem: string): Error {
    return new VaultClientError('BAD_ANSWER', { at: this.#where, call: `${method} ${path}`, problem });
  }

  #failure(cause: unknown): Error {
    const { code, name } = cause as NodeJS.ErrnoException;
    const late = name === 'TimeoutError' || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
    return new VaultClientError(late ? 'TIMEOUT' : 'UNREACHABLE', { at: this.#where }, { cause });
  }
}

function volumePath(name: string): string {
  return `/v1/volumes/${segment(name)}`;
}

function blobPath(key: string): string {
  return `/v1/blobs/${segment(key)}`;
}

function segment(text: string): string {
  return encodeURIComponent(text);
}
