/** What can go wrong between a person at a terminal and the system. */
import { didYouMean } from '@couchestor/shared/did-you-mean';
import { defineErrors } from '@couchestor/shared/errors';

export const CliError = defineErrors('CLI', {
  USAGE: { retry: false, help: 'The command line is not understood.' },
  NOT_RUNNING: {
    retry: true,
    help: 'Nothing is running here. Start it with `couchestor up`, or name the NATS server with --nats-url or NATS_URL.',
  },
  NO_ANSWER: { retry: true, help: 'The service did not answer. Is it running? `couchestor status` tells.' },
  UNKNOWN_VOLUME: { retry: false, help: 'There is no such volume.' },
  ALREADY_RUNNING: {
    retry: false,
    help: 'A stack with this data folder is running already. Stop it with Ctrl-C where it runs, or name another folder with --data-dir.',
  },
  STACK_NOT_READY: { retry: true, help: 'A service did not become ready. Its log tells why.' },
  GATES_IN_USE: {
    retry: true,
    help: 'Nothing was undone: a migrator may need these gates now, and without them Mayastor would choose a replica by itself. A running migrator undoes them when they are of no more use; `couchestor doctor --undo-gates --force` does not wait for that.',
  },
  MOVES_OPEN: {
    retry: true,
    help: 'Nothing was changed in Mayastor: moves are open, and their volumes may have one replica more until they end. Stop the policy-brain, so that no new one begins; then --wait waits for them, and --force cancels them.',
  },
  MOVES_UNKNOWN: {
    retry: true,
    help: 'Nothing was changed: a migrator may be at work, and which moves are open is told by NATS alone. Name its server with --nats-url. If it is gone, stop every migrator; then --force goes on without it.',
  },
  NBD_FAILED: { retry: true, help: 'A volume could not be reached or used over NBD. The log of ec-encoder tells why.' },
  MISSING_FILE: { retry: false, help: 'There is no such file or folder.' },
});

/** @param problem one sentence for the person who typed it, and where to read more */
export function usageError(problem: string): Error {
  return new CliError('USAGE', { problem });
}

export function unknownSubcommand(command: string, word: string, known: readonly string[]): Error {
  const meant = didYouMean(word, known);
  return usageError(
    `there is no \`couchestor ${command} ${word}\`${meant === undefined ? '' : `; did you mean ${meant}?`}\nSubcommands: ${known.join(', ')}`,
  );
}

/** Exit codes of every command. */
export const exitCodes = { ok: 0, failed: 1, usage: 2 } as const;
