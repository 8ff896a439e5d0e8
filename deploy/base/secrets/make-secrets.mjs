/** Makes the Secrets with the passwords of NATS and Redis and the token of ec-encoder's API, each only where there is none yet. Run in the cluster, by a Job. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

const account = '/var/run/secrets/kubernetes.io/serviceaccount';
const {
  KUBERNETES_SERVICE_HOST: host = 'kubernetes.default.svc',
  KUBERNETES_SERVICE_PORT: port = '443',
  POD_NAMESPACE: namespace,
} = process.env;
/** By whom it is asked; another place than the cluster's own for tests. */
const api = process.env['KUBERNETES_API'] ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
const tokenFile = process.env['TOKEN_FILE'] ?? `${account}/token`;

/** Begins with a letter and holds no sign: NATS reads it as a word, and it stands in URLs as it is. */
const password = () => `p${randomBytes(24).toString('hex')}`;

const secrets = {
  'couchestor-nats': ['metrics-watcher', 'policy-brain', 'migrator', 'ec-encoder', 'operator', 'cli'],
  'couchestor-redis': ['password'],
  'couchestor-ec': ['api-token'],
};

for (const [name, keys] of Object.entries(secrets)) {
  const body = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels: { 'app.kubernetes.io/part-of': 'couchestor' } },
    stringData: Object.fromEntries(keys.map((key) => [key, password()])),
  };
  const answer = await fetch(`${api}/api/v1/namespaces/${namespace}/secrets`, {
    method: 'POST',
    headers: { authorization: `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!answer.ok && answer.status !== 409) {
    throw new Error(`Secret ${name} could not be made: ${answer.status} ${(await answer.text()).slice(0, 500)}`);
  }
  process.stdout.write(`${name}: ${answer.ok ? 'made' : 'is there already'}\n`);
}
