/** Errors of the brain. What is wrong with a policy file is no error of ours: it is the policy's status. */
import { defineErrors } from '@couchestor/shared/errors';

export const BrainError = defineErrors('BRAIN', {
  NOT_READY: { retry: true, help: 'The brain has not read its policies or Mayastor yet. Ask again in a few seconds.' },
  SUPERSEDED: { retry: true, help: 'Another policy-brain has taken over. Run only one.' },
  UNKNOWN_VOLUME: {
    retry: false,
    help: 'No volume has this id, PV name or name, nor one that begins so. `couchestor volumes` lists them.',
  },
  AMBIGUOUS_VOLUME: { retry: false, help: 'Several volumes begin so. Give more of the name.' },
  LEDGER_CONTENDED: {
    retry: true,
    help: 'A record of the ledger changed under every attempt to write it. Look whether a second policy-brain runs.',
  },
  MOVE_OPEN: { retry: false, help: 'A move of the volume is open. Cancel it with `couchestor migrations cancel`, or wait for its end.' },
});
