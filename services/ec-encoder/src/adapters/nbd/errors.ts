/** Why a server of block volumes cannot be started. */
import { defineErrors } from '@couchestor/shared/errors';

export const NbdError = defineErrors('NBD', {
  ADDRESS_IN_USE: { retry: false, help: 'Another process serves block volumes at this address. Stop it, or choose another address.' },
  CANNOT_LISTEN: { retry: false, help: 'This address cannot be listened on. Correct it, or the rights to it.' },
  NOT_A_SOCKET: { retry: false, help: 'Something that is no socket lies at the path of the socket. Remove it, or choose another path.' },
  PATH_TOO_LONG: { retry: false, help: 'The path of a unix socket has at most 107 bytes. Choose a shorter one.' },
  BAD_TLS: { retry: false, help: 'The certificate, its key or the certificate authority cannot be used. Correct the files.' },
  NO_TLS: {
    retry: false,
    help: 'TLS is required of clients, but there is no certificate to speak it with. Name the certificate and its key.',
  },
  BAD_LIMITS: {
    retry: false,
    help: 'A request of the largest size would never find the memory it needs. Raise the limits of bytes, or lower that of a request.',
  },
});
