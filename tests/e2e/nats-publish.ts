/** Publishes raw bytes to NATS, as a program would that keeps to no contract of ours. The protocol is a few lines of text. */
import { connect } from 'node:net';

export function publishRaw(o: { natsUrl: string; subject: string; payload: string }): Promise<void> {
  const { hostname, port } = new URL(o.natsUrl);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.setEncoding('utf8');
    socket.once('error', reject);
    socket.on('data', (text: string) => {
      // PONG answers the PING that follows the message: what was sent before it has been taken.
      if (text.includes('PONG')) {
        socket.end();
        resolve();
      } else if (text.startsWith('-ERR')) {
        reject(new Error(text));
      }
    });
    socket.write(`CONNECT {"verbose":false}\r\nPUB ${o.subject} ${Buffer.byteLength(o.payload)}\r\n${o.payload}\r\nPING\r\n`);
  });
}
