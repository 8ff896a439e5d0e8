/** Questions answered now or not at all, over NATS request and reply. Nothing is stored and nothing is asked twice. */
import type { Msg } from 'nats';
import { z } from 'zod';
import type { RpcContract } from '../contracts/define.ts';
import { rpcSubject } from '../contracts/subjects.ts';
import { CodedError, describeError } from '../errors.ts';
import type { BusConnection } from './connection.ts';
import { parseJson, validate } from './envelope.ts';
import { BusError } from './errors.ts';

const replySchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), answer: z.unknown() }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string() }),
]);

export async function call<Q, A>(connection: BusConnection, rpc: RpcContract<Q, A>, request: Q, o: { timeoutMs: number }): Promise<A> {
  const facts = { question: rpc.name, answeredBy: rpc.answeredBy };
  const question = validate(rpc.request, request, { code: 'INVALID_PAYLOAD', what: rpc.name });
  if (!connection.connected) {
    // It would be kept and asked after the reconnect, long after the asker has gone on without an answer.
    throw new BusError('NO_ANSWER', { ...facts, problem: 'not connected to NATS' });
  }
  let message: Msg;
  try {
    message = await connection.nats.request(rpcSubject(rpc), JSON.stringify(question), { timeout: o.timeoutMs });
  } catch (cause) {
    throw new BusError('NO_ANSWER', { ...facts, timeoutMs: o.timeoutMs }, { cause });
  }
  const reply = validate(replySchema, parseJson(message.data, rpc.name), { code: 'INVALID_MESSAGE', what: rpc.name });
  if (!reply.ok) {
    throw new BusError('RPC_REFUSED', { ...facts, code: reply.code, message: reply.message });
  }
  return validate(rpc.response, reply.answer, { code: 'INVALID_MESSAGE', what: rpc.name });
}

export async function serve<Q, A>(
  connection: BusConnection,
  rpc: RpcContract<Q, A>,
  handle: (request: Q) => Promise<A>,
): Promise<{ stop(): Promise<void> }> {
  const inHand = new Set<Promise<void>>();
  const answer = async (message: Msg): Promise<void> => {
    let reply: string;
    try {
      const request = validate(rpc.request, parseJson(message.data, rpc.name), { code: 'INVALID_MESSAGE', what: rpc.name });
      const response = validate(rpc.response, await handle(request), { code: 'INVALID_PAYLOAD', what: rpc.name });
      reply = JSON.stringify({ ok: true, answer: response });
      const bytes = Buffer.byteLength(reply);
      const bytesMax = connection.nats.info?.max_payload ?? Number.POSITIVE_INFINITY;
      if (bytes > bytesMax) {
        throw new BusError('TOO_LARGE', { question: rpc.name, bytes, bytesMax });
      }
    } catch (error) {
      const coded = error instanceof CodedError;
      if (!coded) {
        connection.logger.error({ question: rpc.name, err: error }, 'a question could not be answered');
      }
      reply = JSON.stringify({ ok: false, code: coded ? error.code : 'UNKNOWN', message: describeError(error) });
    }
    message.respond(reply);
  };
  const subscription = connection.nats.subscribe(rpcSubject(rpc), {
    queue: rpc.answeredBy,
    callback: (error, message) => {
      if (error === null) {
        const work = answer(message).finally(() => inHand.delete(work));
        inHand.add(work);
      } else {
        connection.logger.error({ question: rpc.name, err: error }, 'NATS refused to let a question be answered');
      }
    },
  });
  if (connection.connected) {
    // Once the server has our subscription, the next question finds us. Where the connection breaks now, it is sent again with the next one.
    await connection.nats.flush().catch(() => undefined);
  }
  return {
    stop: async () => {
      if (!subscription.isClosed() && connection.connected) {
        await subscription.drain();
      } else {
        subscription.unsubscribe();
      }
      await Promise.all(inHand);
    },
  };
}
