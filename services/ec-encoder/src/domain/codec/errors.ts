/** What can be wrong with a call of the codec. Each of them is refused before a byte is read or written. */
import { defineErrors } from '@couchestor/shared/errors';

export const CodecError = defineErrors('CODEC', {
  BAD_CODE: { retry: false, help: 'An erasure code needs 1 or more data shards, 0 or more parity shards, and at most 255 together.' },
  BAD_SHARDS: {
    retry: false,
    help: 'Shards must be byte arrays of one length above zero, with memory of their own that nobody has taken away, as many as the code has.',
  },
  OVERLAP: { retry: false, help: 'The memory that a result goes to overlaps a shard that it is computed from, or another result.' },
  BAD_RANGE: { retry: false, help: 'The range that was asked for is empty or reaches beyond the shards.' },
  TOO_FEW_SHARDS: {
    retry: false,
    help: 'Fewer shards are left than there are data shards: what was lost cannot be computed until more of them are back.',
  },
  SINGULAR: { retry: false, help: 'The matrix has no inverse. Of rows of a Cauchy code this cannot come: report it.' },
  CHANGED_IN_USE: {
    retry: false,
    help: 'The memory of a shard was transferred, detached or resized while the codec worked on it. Its results are void.',
  },
});
