/** Errors of the brain. What is wrong with a policy file is no error of ours: it is the policy's status. */
import { defineErrors } from '@couchestor/shared/errors';

export const BrainError = defineErrors('BRAIN', {
  NOT_READY: { retry: true, help: 'The brain has not read its policies or Mayastor yet. Ask again in a few seconds.' },
  NOT_LEADING: { retry: true, help: 'This policy-brain leads no longer: its term is over. Ask again; the one that leads now will answer.' },
  KUBERNETES_UNREADABLE: {
    retry: true,
    help: 'Policies or volumes could not be read from Kubernetes, so nothing is decided. Look whether the API server answers and our account may read them.',
  },
  UNKNOWN_VOLUME: {
    retry: false,
    help: 'No volume has this id, PV name or name, nor one that begins so. `couchestor volumes` lists them.',
  },
  AMBIGUOUS_VOLUME: { retry: false, help: 'Several volumes begin so. Give more of the name.' },
  LEDGER_CONTENDED: {
    retry: true,
    help: 'A record of the ledger changed under every attempt to write it. Look whether two policy-brains lead: all need the same --coordination.',
  },
  MOVE_OPEN: { retry: false, help: 'A move of the volume is open. Cancel it with `couchestor migrations cancel`, or wait for its end.' },
});
