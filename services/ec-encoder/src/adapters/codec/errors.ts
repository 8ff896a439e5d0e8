import { defineErrors } from '@couchestor/shared/errors';

/** Why a native codec is not there. Those of our own keep nothing from working: another engine serves, more slowly. */
export const NativeError = defineErrors('NATIVE', {
  NOT_BUILT: {
    retry: false,
    help: 'The native codec was not built for this source and machine. Starting by npm builds it where there is a C compiler.',
  },
  NO_COMPILER: {
    retry: false,
    help: 'No C compiler was found (CC, gcc, cc, clang). Install one, such as the Debian package gcc, for a quicker codec.',
  },
  NO_HEADERS: {
    retry: false,
    help: 'The headers of Node-API were not found: neither the package node-api-headers nor those of this Node.js.',
  },
  COMPILE_FAILED: { retry: false, help: 'The C compiler refused the source of the native codec. The fact `said` tells why.' },
  NO_RONOMON: {
    retry: false,
    help: 'The codec ronomon needs the package @ronomon/reed-solomon, an optional dependency: npm install without --omit=optional.',
  },
  RONOMON_NOT_BUILT: {
    retry: false,
    help: 'The codec ronomon was not built for this machine. Install a C compiler (the Debian package gcc) and start by npm, which builds it.',
  },
  BROKEN: { retry: false, help: 'The native codec does not load here, or computes wrongly. It was passed over.' },
});
