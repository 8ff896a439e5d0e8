/** Kubeconfig files of test clusters: one cluster, one user with a bearer token. */
import { writeFile } from 'node:fs/promises';

export interface TokenAccess {
  readonly server: string;
  /** PEM. Absent: what the system trusts. */
  readonly caData: string | undefined;
  readonly user: string;
  readonly token: string;
}

/** JSON is YAML, so no YAML has to be written. */
export async function writeKubeconfig(file: string, o: TokenAccess): Promise<string> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'test',
        cluster: { server: o.server, ...(o.caData === undefined ? {} : { 'certificate-authority-data': base64(o.caData) }) },
      },
    ],
    users: [{ name: o.user, user: { token: o.token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: o.user } }],
    'current-context': 'test',
  };
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return file;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
