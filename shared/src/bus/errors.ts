/** Everything that can go wrong on the bus. */
import { defineErrors } from '../errors.ts';

export const BusError = defineErrors('BUS', {
  UNREACHABLE: { retry: true, help: 'NATS does not answer. Check that nats-server runs and that --nats-url (NATS_URL) names it.' },
  NO_JETSTREAM: {
    retry: true,
    help: 'NATS answers, but its JetStream does not. Start nats-server with JetStream on (-js) and a store directory.',
  },
  STREAM_REFUSED: {
    retry: false,
    help: 'JetStream refused to create or change a stream or bucket. Give it more storage, or remove a stream of that name made by something else.',
  },
  CLOSED: { retry: false, help: 'The bus was used after it had been closed.' },
  INVALID_PAYLOAD: { retry: false, help: 'What was about to be sent does not fit its contract. This is a fault of the sender.' },
  INVALID_MESSAGE: { retry: false, help: 'What was received does not fit its contract. Its sender is at fault, or is of another version.' },
  NEWER_VERSION: {
    retry: false,
    help: 'The record is of a newer version than this program knows. Update this program, then replay the message.',
  },
  TOO_LARGE: { retry: false, help: 'The record is larger than NATS takes in one message. Split it, or raise max_payload.' },
  INVALID_KEY: { retry: false, help: 'Not a usable bucket key: letters, digits, - _ = / and inner single dots are allowed.' },
  NOT_STORED: { retry: true, help: 'JetStream did not store the record.' },
  AMBIGUOUS: { retry: true, help: 'JetStream did not say whether it has stored the record. Read it again before writing it again.' },
  NOT_READ: { retry: true, help: 'JetStream did not answer a read.' },
  NO_ANSWER: { retry: true, help: 'Nobody answered in time. Check that the service that answers this question runs.' },
  RPC_REFUSED: { retry: false, help: 'The service answered the question with an error.' },
  DELIVERED_TOO_OFTEN: {
    retry: false,
    help: 'The message was delivered many times and never handled to its end: its handler hangs or kills its process.',
  },
  NO_DEAD_LETTER: { retry: false, help: 'There is no dead letter of this number. List them with `couchestor dead-letters list`.' },
});

/** JetStream's error codes that we tell apart; docs.nats.io, "JetStream API errors". */
const streamNotFound = 10059;
const consumerNotFound = 10014;
const messageNotFound = 10037;
const wrongLastSequence = new Set([10071, 10164]);

interface ApiFault {
  readonly code?: string;
  readonly api_error?: { readonly err_code?: number; readonly description?: string };
}

function apiCode(error: unknown): number | undefined {
  return (error as ApiFault | undefined)?.api_error?.err_code;
}

/** Nobody listens on the subject or the stream is gone: the call had surely no effect. */
export function isMissingStream(error: unknown): boolean {
  return (error as ApiFault | undefined)?.code === '503' || apiCode(error) === streamNotFound || apiCode(error) === consumerNotFound;
}

export function isMissingMessage(error: unknown): boolean {
  return apiCode(error) === messageNotFound;
}

export function isWrongRevision(error: unknown): boolean {
  const code = apiCode(error);
  return code !== undefined && wrongLastSequence.has(code);
}

/** JetStream answered, and its answer was no. */
export function isJetStreamRefusal(error: unknown): boolean {
  return apiCode(error) !== undefined;
}
