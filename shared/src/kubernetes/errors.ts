/**
 * What can go wrong on the way to the Kubernetes API server and back. Every error about a call carries the facts method and path, and where
 * there was an answer status, reason and message. No header, token, certificate or body of a request is ever among them.
 */
import { defineErrors } from '../errors.ts';

export const KubeError = defineErrors('KUBE', {
  CONFIG: {
    retry: false,
    help: 'No usable way to a Kubernetes API server was found. Give --kubeconfig, or KUBECONFIG, or run in a pod with a ServiceAccount.',
  },
  CREDENTIALS: {
    retry: true,
    help: 'The credentials for the API server could not be had. Look at the file or the command that the kubeconfig names for this user.',
  },
  UNREACHABLE: {
    retry: true,
    help: 'The API server could not be reached or the connection broke. Where sent=true the outcome of a change is not known: read the object again.',
  },
  TIMED_OUT: {
    retry: true,
    help: 'The API server did not answer in time, or a watch fell silent. The outcome of a change is not known: read the object again.',
  },
  UNAUTHORIZED: { retry: true, help: 'The API server does not accept our credentials. They may have expired; check the ServiceAccount.' },
  FORBIDDEN: { retry: false, help: 'Our account may not do this. Compare its roles with its rbac.yaml in deploy/base.' },
  NOT_FOUND: {
    retry: false,
    help: 'There is no such object, or no such kind of object: where no object is named, the CustomResourceDefinition is missing.',
  },
  CONFLICT: { retry: true, help: 'Somebody changed the object since it was read. Read it again and decide again.' },
  ALREADY_EXISTS: { retry: false, help: 'There is an object of this name already.' },
  INVALID: { retry: false, help: 'The API server refused the object or the call. The message names the field.' },
  GONE: { retry: true, help: 'The resource version is too old to go on from. List again.' },
  THROTTLED: { retry: true, help: 'The API server asks us to come back later.' },
  SERVER_ERROR: {
    retry: true,
    help: 'The API server, or something before it, failed. The outcome of a change is not known: read the object again.',
  },
  INVALID_ANSWER: {
    retry: true,
    help: 'The answer is not one that an API server gives. Check that the kubeconfig leads straight to it.',
  },
});
