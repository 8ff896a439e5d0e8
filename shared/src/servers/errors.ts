import { defineErrors } from '../errors.ts';

/** What can go wrong with finding, fetching and running the servers beside CoucheStor. */
export const ServerError = defineErrors('SERVER', {
  NOT_FOUND: {
    retry: false,
    help: 'A server that is needed was found nowhere. Do one of these: install it (the fact `install` says how), set the variable to the URL of a running one, or start Docker.',
  },
  DOWNLOAD_FAILED: {
    retry: true,
    help: 'The packages of a server could not be downloaded. Check the network and the sources of apt, or install it yourself.',
  },
  BROKEN: { retry: false, help: 'The program of a server does not run here.' },
  BUILD_FAILED: {
    retry: true,
    help: 'A server could not be built from Debian sources. That needs Debian 12 (no root), its archive, and 3 GB of free disk in the cache folder. Or set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kubectl, or start Docker.',
  },
  PORT_IN_USE: {
    retry: false,
    help: 'Another process listens on the port that a server was to be started on. Stop it, or choose another port.',
  },
  EXITED: { retry: false, help: 'A server ended right after its start. The end of its log tells why.' },
  NO_ANSWER: { retry: true, help: 'A server was started but did not answer in time. The end of its log may tell why.' },
  CONTAINER_FAILED: { retry: true, help: 'Docker answers, but a server could not be started in a container.' },
});
