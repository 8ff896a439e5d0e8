/**
 * The dead-letter stream: messages that could not be handled, word for word, with the error and where they belong in their headers. They
 * stay until somebody replays them or they are 30 days old.
 */
import type { Msg, StoredMsg } from 'nats';
import type { ServiceName } from '../contracts/define.ts';
import { deadLetterStream, deadLetterSubject } from '../contracts/subjects.ts';
import { CodedError, describeError } from '../errors.ts';
import type { BusConnection } from './connection.ts';
import type { Delivery } from './delivery.ts';
import { BusError, isMissingMessage, isMissingStream } from './errors.ts';
import { store } from './store.ts';

export interface DeadLetter {
  /** Its number in the dead-letter stream, for `replay`. */
  readonly sequence: number;
  readonly failedAt: Date;
  readonly service: string;
  readonly eventType: string;
  readonly subject: string;
  readonly errorCode: string;
  readonly errorMessage: string;
  readonly deliveries: number;
  /** The message as it came, decoded as UTF-8. */
  readonly data: string;
  /** The headers it came with. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Header names of a dead letter. */
const names = {
  service: 'Couchestor-Service',
  type: 'Couchestor-Event-Type',
  subject: 'Couchestor-Subject',
  code: 'Couchestor-Error-Code',
  message: 'Couchestor-Error-Message',
  deliveries: 'Couchestor-Deliveries',
  headers: 'Couchestor-Headers',
} as const;

const messageIdHeader = 'Nats-Msg-Id';

/** Keeps the headers within the room that `store` leaves for them. */
const errorMessageLengthMax = 1_000;
const headersLengthMax = 1_000;

export async function storeDeadLetter(
  connection: BusConnection,
  o: { service: ServiceName; type: string; durable: string; message: Msg; delivery: Delivery; error: unknown },
): Promise<void> {
  const headers = JSON.stringify(headersOf(o.message));
  await store(connection, {
    subject: deadLetterSubject(o.service, o.type),
    data: o.message.data,
    // A process that dies between this and the acknowledgement does not leave two of them.
    id: `dead-${o.durable}-${o.delivery.sequence}-${o.delivery.storedAt.getTime()}`,
    headers: {
      [names.service]: o.service,
      [names.type]: o.type,
      [names.subject]: o.message.subject,
      [names.code]: o.error instanceof CodedError ? o.error.code : 'UNKNOWN',
      [names.message]: oneLine(describeError(o.error)).slice(0, errorMessageLengthMax),
      [names.deliveries]: String(o.delivery.deliveries),
      [names.headers]: headers.length > headersLengthMax ? '{}' : headers,
    },
  });
}

/** Oldest first. */
export async function listDeadLetters(connection: BusConnection, o: { limit: number }): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for (let sequence = 1; letters.length < o.limit; ) {
    const stored = await read(connection, { seq: sequence, next_by_subj: deadLetterSubject('*' as ServiceName, '>') });
    if (stored === undefined) {
      break;
    }
    letters.push(letterOf(stored));
    sequence = stored.seq + 1;
  }
  return letters;
}

/** Publishes the message to where it first was, then removes the dead letter. Done twice, it is still published once. */
export async function replayDeadLetter(connection: BusConnection, sequence: number): Promise<void> {
  const stored = await read(connection, { seq: sequence });
  if (stored === undefined) {
    throw new BusError('NO_DEAD_LETTER', { sequence });
  }
  const letter = letterOf(stored);
  const { [messageIdHeader]: _spent, ...headers } = letter.headers;
  await store(connection, { subject: letter.subject, data: stored.data, id: `replay-${sequence}-${stored.time.getTime()}`, headers });
  await connection.manager.streams.deleteMessage(deadLetterStream, sequence).catch((cause: unknown) => {
    if (!isMissingMessage(cause)) {
      throw new BusError('NOT_STORED', { what: 'removal of a replayed dead letter', sequence }, { cause });
    }
  });
}

export async function countDeadLetters(connection: BusConnection): Promise<number> {
  try {
    return (await connection.manager.streams.info(deadLetterStream)).state.messages;
  } catch (cause) {
    throw new BusError('NOT_READ', { stream: deadLetterStream }, { cause });
  }
}

async function read(connection: BusConnection, query: { seq: number; next_by_subj?: string }): Promise<StoredMsg | undefined> {
  try {
    return await connection.manager.streams.getMessage(deadLetterStream, query);
  } catch (cause) {
    if (isMissingMessage(cause) || isMissingStream(cause)) {
      return undefined;
    }
    throw new BusError('NOT_READ', { stream: deadLetterStream, sequence: query.seq }, { cause });
  }
}

function letterOf(stored: StoredMsg): DeadLetter {
  const header = (name: string): string => stored.header.get(name);
  return {
    sequence: stored.seq,
    failedAt: stored.time,
    service: header(names.service),
    eventType: header(names.type),
    subject: header(names.subject),
    errorCode: header(names.code),
    errorMessage: header(names.message),
    deliveries: Number(header(names.deliveries)),
    data: new TextDecoder().decode(stored.data),
    headers: JSON.parse(header(names.headers) || '{}') as Record<string, string>,
  };
}

function headersOf(message: Msg): Record<string, string> {
  return Object.fromEntries((message.headers?.keys() ?? []).map((name) => [name, message.headers?.get(name) ?? '']));
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, ' ');
}
