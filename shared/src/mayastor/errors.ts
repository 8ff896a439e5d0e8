/** What can go wrong on the way to Mayastor's REST API and back. Every error carries the facts method, path, and where there was an answer status and kind. */
import { defineErrors } from '../errors.ts';

export const MayastorError = defineErrors('MAYASTOR', {
  UNREACHABLE: {
    retry: true,
    help: "Mayastor's REST API could not be reached or did not answer a read. Nothing was changed. Check --mayastor-url and the api-rest service.",
  },
  AMBIGUOUS: {
    retry: true,
    help: 'A call that changes Mayastor was sent but its outcome is not known; it may have had its effect. Read the object again before anything else.',
  },
  CONFLICT: { retry: true, help: 'Another operation is under way on this object. Wait until it is over and read the object again.' },
  NOT_FOUND: { retry: false, help: 'Mayastor does not know this object.' },
  NO_ROUTE: {
    retry: false,
    help: 'This Mayastor has no such REST route: its version is too old, or --mayastor-url points at something else.',
  },
  PRECONDITION: {
    retry: false,
    help: "Mayastor refused the call because of the object's present state. Read the object again before deciding.",
  },
  ALREADY_EXISTS: { retry: false, help: 'Mayastor already has what the call would have made: the same label, or the same cordon.' },
  NO_RESOURCES: { retry: true, help: 'No pool is eligible for a new replica, or the limit of rebuilds is reached.' },
  REFUSED: { retry: false, help: 'Mayastor refused the call.' },
  INVALID_ANSWER: {
    retry: true,
    help: 'The answer is not one that Mayastor gives; after a call that changes something, its outcome is unknown. Check that --mayastor-url leads straight to the api-rest service, and its version.',
  },
});

/**
 * True where a call that failed with this error may nevertheless have changed Mayastor, now or later. Anything that is not known to be
 * harmless counts as harmful, so that an error from elsewhere is treated as ambiguous too.
 */
export function mayHaveHadEffect(error: unknown): boolean {
  const harmless = [
    'UNREACHABLE',
    'CONFLICT',
    'NOT_FOUND',
    'NO_ROUTE',
    'PRECONDITION',
    'ALREADY_EXISTS',
    'NO_RESOURCES',
    'REFUSED',
  ] as const;
  return !harmless.some((code) => MayastorError.is(error, code));
}
