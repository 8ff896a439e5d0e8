import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelMove } from '../contracts/migrator.ts';
import { defineErrors } from '../errors.ts';
import { quietLogger } from '../testing/quiet-logger.ts';
import { startTestNats, type TestServer } from '../testing/servers.ts';
import { waitUntil } from '../testing/wait-until.ts';
import { type Bus, connectBus } from './connect.ts';

const MoveError = defineErrors('MOVE', { UNKNOWN: { retry: false, help: 'There is no such move.' } });
const logger = quietLogger();
const answer = { moveId: 'm0123456789abcdef', message: 'done' };

let server: TestServer;
let asker: Bus;
let answerer: Bus;

beforeAll(async () => {
  server = await startTestNats();
  asker = await connectBus({ url: server.url, name: 'cli', logger });
  answerer = await connectBus({ url: server.url, name: 'migrator', logger });
});
afterAll(async () => {
  await asker?.close();
  await answerer?.close();
  await server?.stop();
});

describe('a question', () => {
  it('is answered', async () => {
    const serving = await answerer.serve(cancelMove, async ({ move }) => ({ ...answer, message: `cancelled ${move}` }));
    expect(await asker.call(cancelMove, { move: 'x' }, { timeoutMs: 1_000 })).toEqual({ ...answer, message: 'cancelled x' });
    await serving.stop();
  });

  it('is answered by one of several answerers', async () => {
    let asked = 0;
    const handle = async () => {
      asked += 1;
      return answer;
    };
    const serving = [await answerer.serve(cancelMove, handle), await asker.serve(cancelMove, handle)];
    await Promise.all(Array.from({ length: 20 }, () => asker.call(cancelMove, { move: 'x' }, { timeoutMs: 1_000 })));
    await Promise.all(serving.map((one) => one.stop()));
    expect(asked).toBe(20);
  });

  it('that nobody answers fails at once and may be asked again', async () => {
    const startedMs = performance.now();
    await expect(asker.call(cancelMove, { move: 'x' }, { timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'BUS_NO_ANSWER', retry: true });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
  });

  it('whose answerer hangs fails after its time', async () => {
    let finish: () => void = () => undefined;
    const hanging = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const serving = await answerer.serve(cancelMove, () => hanging.then(() => answer));
    await expect(asker.call(cancelMove, { move: 'x' }, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'BUS_NO_ANSWER' });
    finish();
    await serving.stop();
  });

  it('that is refused carries the code and the message of the refusal', async () => {
    const serving = await answerer.serve(cancelMove, () => Promise.reject(new MoveError('UNKNOWN', { move: 'x' })));
    await expect(asker.call(cancelMove, { move: 'x' }, { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'BUS_RPC_REFUSED',
      retry: false,
      facts: { code: 'MOVE_UNKNOWN', message: 'MOVE_UNKNOWN: There is no such move. (move=x)' },
    });
    await serving.stop();
  });

  it('that does not fit the contract is refused, before it is sent and by the answerer', async () => {
    const serving = await answerer.serve(cancelMove, async () => answer);
    await expect(asker.call(cancelMove, { move: '' }, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'BUS_INVALID_PAYLOAD' });
    const stranger = await connect({ servers: server.url });
    const reply = await stranger.request('couchestor.rpc.migrator.cancel-move', 'not json');
    expect(reply.json()).toMatchObject({ ok: false, code: 'BUS_INVALID_MESSAGE' });
    await stranger.close();
    await serving.stop();
  });

  it('answered with what does not fit the contract is refused', async () => {
    const serving = await answerer.serve(cancelMove, async () => ({ ...answer, moveId: 'nonsense' }));
    await expect(asker.call(cancelMove, { move: 'x' }, { timeoutMs: 1_000 })).rejects.toMatchObject({
      facts: { code: 'BUS_INVALID_PAYLOAD' },
    });
    await serving.stop();
  });

  it('is answered to its end when the answerer stops meanwhile', async () => {
    let finish: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let asked = false;
    const serving = await answerer.serve(cancelMove, async () => {
      asked = true;
      await slow;
      return answer;
    });
    const calling = asker.call(cancelMove, { move: 'x' }, { timeoutMs: 5_000 });
    await waitUntil(() => asked);
    const stopping = serving.stop();
    finish();
    expect(await calling).toEqual(answer);
    await stopping;
  });

  it('is not kept for later while NATS is away, and is answered again when it is back', async () => {
    const serving = await answerer.serve(cancelMove, async () => answer);
    await server.kill();
    await waitUntil(async () => (await asker.ping().catch((error: unknown) => error)) !== undefined);
    const startedMs = performance.now();
    await expect(asker.call(cancelMove, { move: 'x' }, { timeoutMs: 5_000 })).rejects.toMatchObject({ code: 'BUS_NO_ANSWER' });
    expect(performance.now() - startedMs).toBeLessThan(1_000);
    await server.restart();
    await waitUntil(async () => (await asker.call(cancelMove, { move: 'x' }, { timeoutMs: 500 })).message === 'done');
    await serving.stop();
  });
});
