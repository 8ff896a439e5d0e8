/** What the process and its API refuse. What a vault itself cannot do stands in vault/errors.ts. */
import { defineErrors } from '@couchestor/shared/errors';

export const EcError = defineErrors('EC', {
  INVALID: { retry: false, help: 'The request cannot be carried out as it is written.' },
  NOT_FOUND: { retry: false, help: 'There is nothing of this name.' },
  UNAUTHORIZED: { retry: false, help: 'The API of this vault wants a bearer token: give the file that holds it with --api-token-file.' },
  FORBIDDEN: { retry: false, help: 'Without a token this API answers programs of this machine only, and no page in a browser.' },
  TOO_LARGE: { retry: false, help: 'The request is larger than the API takes.' },
  BUSY: { retry: true, help: 'As many operations run as may run at a time. Wait for one to end, or cancel one.' },
  CANCELLED: { retry: true, help: 'The operation was cancelled. What it had done by then stands; begin it again to go on.' },
  STOPPING: { retry: true, help: 'The vault is stopping.' },
  UNEXPECTED: { retry: false, help: 'Something failed that was not foreseen. The log of the vault tells more; please report it.' },
  NO_POLICY: {
    retry: false,
    help: 'There is no ErasureCodingPolicy of this name where it was looked for. Create it, or correct --ec-policy.',
  },
  BAD_POLICY: { retry: false, help: 'The ErasureCodingPolicy is not valid. Correct what is named here.' },
  BAD_TOKEN_FILE: { retry: false, help: 'The token file must be readable and hold a token of at least 16 characters without spaces.' },
});
