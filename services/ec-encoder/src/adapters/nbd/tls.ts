/** TLS that begins in the middle of a negotiation. */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type TlsOptions } from 'node:tls';
import { NbdError } from './errors.ts';

export interface NbdTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Whose certificates clients must show. Without it, clients need none. */
  readonly clientCaFile?: string;
}

/** Throws NbdError BAD_TLS. Read anew for each client, so that renewed certificates need no restart. */
export async function loadTls(tls: NbdTls): Promise<TlsOptions> {
  try {
    const [cert, key, ca] = await Promise.all([
      readFile(tls.certFile),
      readFile(tls.keyFile),
      tls.clientCaFile === undefined ? undefined : readFile(tls.clientCaFile),
    ]);
    const options: TlsOptions = {
      cert,
      key,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
    };
    createSecureContext(options);
    return options;
  } catch (cause) {
    throw new NbdError('BAD_TLS', { certFile: tls.certFile, keyFile: tls.keyFile, clientCaFile: tls.clientCaFile }, { cause });
  }
}

/** The socket within, once the client is who it must be. Undefined where that fails: the socket is closed then. */
export async function beginTls(socket: Socket, options: TlsOptions): Promise<Socket | undefined> {
  return await new Promise((resolve) => {
    // Given a socket, a TLS server checks certificates as it does for those that it accepts itself.
    const server = createServer(options, (secured) => resolve(secured));
    server.on('tlsClientError', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('close', () => resolve(undefined));
    server.emit('connection', socket);
  });
}
