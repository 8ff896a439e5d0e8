/** Whether a server answers, asked in its own protocol. */
import { connect } from 'node:net';

const askTimeoutMs = 2_000;

/** NATS greets every connection with its INFO line. */
export function natsAnswers(o: { host: string; port: number }): Promise<boolean> {
  return exchange({ ...o, send: '', expect: 'INFO ' });
}

/** Redis says -LOADING instead while it reads its file. */
export function redisAnswers(o: { host: string; port: number }): Promise<boolean> {
  return exchange({ ...o, send: 'PING\r\n', expect: '+PONG' });
}

/** Prometheus is ready once it has replayed its log. */
export async function prometheusAnswers(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/-/ready`, { signal: AbortSignal.timeout(askTimeoutMs) });
  await answer.arrayBuffer();
  return answer.ok;
}

function exchange(o: { host: string; port: number; send: string; expect: string }): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: o.host, port: o.port });
    socket.setTimeout(askTimeoutMs, () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
    socket.once('connect', () => socket.write(o.send));
    socket.once('close', () => resolve(false));
    socket.once('data', (data) => {
      resolve(data.toString().startsWith(o.expect));
      socket.destroy();
    });
  });
}
