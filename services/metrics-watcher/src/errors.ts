/** What can go wrong between the watcher and Prometheus. None of these ever becomes a zero: the volumes concerned are unknown, with the reason. */
import { defineErrors } from '@couchestor/shared/errors';

export const PrometheusError = defineErrors('PROM', {
  UNREACHABLE: { retry: true, help: 'Prometheus could not be reached. Check --prometheus-url and the network.' },
  TIMEOUT: {
    retry: true,
    help: 'Prometheus did not answer in time. Raise --prometheus-timeout, or --rate-interval so that long windows have fewer steps.',
  },
  UNAVAILABLE: { retry: true, help: 'Prometheus, or what stands before it, answered that it cannot serve now.' },
  REFUSED: { retry: true, help: 'Prometheus refused the request. Check that --prometheus-url holds the right user and password and path.' },
  QUERY_INVALID: { retry: false, help: 'Prometheus cannot read the query. Check the query templates and --volume-label.' },
  QUERY_FAILED: { retry: true, help: 'Prometheus could not work the query out, for example because it would load too many samples.' },
  INVALID_ANSWER: {
    retry: true,
    help: 'The answer is not one that Prometheus gives. Check that --prometheus-url leads to its HTTP API and not to a login page or another server.',
  },
  TOO_LARGE: {
    retry: true,
    help: 'The answer is larger than the watcher reads. The query templates must aggregate to one series for each volume.',
  },
  STALE: {
    retry: true,
    help: 'The answer is about another time than was asked for. Something between the watcher and Prometheus answers from a cache.',
  },
  PARTIAL: { retry: true, help: 'Prometheus warns that the answer may lack data, so it is not used.' },
});
