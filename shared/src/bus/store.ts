/**
 * The one way in which we store something in JetStream.
 *
 * Every write carries a message id, which JetStream remembers. So a write whose answer was lost is simply sent again, word for word: if the
 * first one was stored, the second is answered as its duplicate, with the first one's sequence.
 */
import { headers as makeHeaders } from 'nats';
import { sleep } from '../time.ts';
import { type BusConnection, requestTimeoutMs } from './connection.ts';
import { BusError, isJetStreamRefusal, isMissingStream, isWrongRevision } from './errors.ts';

/** With the request's timeout, some 12 s of a broker that is away before the caller is told. */
const attemptsMax = 4;
const pauseMs = 200;
/** Room for headers and protocol within the server's max_payload. */
const headroomBytes = 4_096;

export interface Write {
  readonly subject: string;
  readonly data: string | Uint8Array;
  readonly id: string;
  /** Compare-and-set: the sequence of the last message of this subject; 0 where there must be none. */
  readonly expectedRevision?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export type WriteResult =
  | { readonly stored: true; readonly sequence: number; readonly duplicate: boolean }
  /** `afterDoubt`: an earlier attempt was left without an answer, so the write that moved the revision may have been ours. */
  | { readonly stored: false; readonly afterDoubt: boolean };

/** Stores or says why not: NOT_STORED where nothing was surely stored, AMBIGUOUS where nobody knows. */
export async function store(connection: BusConnection, write: Write): Promise<WriteResult> {
  const { subject } = write;
  const data = typeof write.data === 'string' ? new TextEncoder().encode(write.data) : write.data;
  const bytesMax = (connection.nats.info?.max_payload ?? 1_048_576) - headroomBytes;
  if (data.byteLength > bytesMax) {
    throw new BusError('TOO_LARGE', { subject, bytes: data.byteLength, bytesMax });
  }
  let doubt = false;
  let cause: unknown;
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    if (connection.nats.isClosed()) {
      throw new BusError(doubt ? 'AMBIGUOUS' : 'CLOSED', { subject }, { cause });
    }
    try {
      const ack = await connection.jetstream.publish(subject, data, {
        msgID: write.id,
        timeout: requestTimeoutMs,
        headers: headersOf(write.headers ?? {}),
        ...(write.expectedRevision === undefined ? {} : { expect: { lastSubjectSequence: write.expectedRevision } }),
      });
      return { stored: true, sequence: ack.seq, duplicate: ack.duplicate };
    } catch (error) {
      cause = error;
      if (isWrongRevision(error)) {
        return { stored: false, afterDoubt: doubt };
      }
      if (isMissingStream(error)) {
        await restoreStreams(connection);
      } else if (isJetStreamRefusal(error)) {
        throw new BusError('NOT_STORED', { subject }, { cause });
      } else {
        doubt = true;
      }
    }
    await sleep(pauseMs * attempt);
  }
  throw new BusError(doubt ? 'AMBIGUOUS' : 'NOT_STORED', { subject, attempts: attemptsMax }, { cause });
}

/** A stream is missing because the broker came back empty, or is not up yet. The next attempt shows whether this has helped. */
export async function restoreStreams(connection: BusConnection): Promise<void> {
  await connection.ensure().catch((error: unknown) => {
    connection.logger.debug({ err: error }, 'streams are not there yet');
  });
}

function headersOf(values: Readonly<Record<string, string>>) {
  const made = makeHeaders();
  for (const [name, value] of Object.entries(values)) {
    made.set(name, value);
  }
  return made;
}
