/** kubectl against a test's own API server, and what operator.yaml's Job does there. */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeApiServer } from '@couchestor/shared/testing/kube/api-server';
import { waitUntil } from '@couchestor/shared/testing/wait-until';
import { root } from './manifests.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Kubectl {
  readonly #program: string;
  readonly #server: KubeApiServer;
  readonly #folder: string;

  private constructor(program: string, o: { server: KubeApiServer; folder: string }) {
    this.#program = program;
    this.#server = o.server;
    this.#folder = o.folder;
  }

  /** @param o.folder for files */
  static of(server: KubeApiServer, o: { folder: string }): Kubectl {
    return new Kubectl(server.kubectl ?? 'kubectl', { ...o, server });
  }

  run(args: readonly string[]): Promise<Ended> {
    return end(this.#program, args, { KUBECONFIG: this.#server.kubeconfig });
  }

  /** Throws where it does not succeed. */
  async must(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) {
      throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
    }
    return stdout;
  }

  /** 1.20 knows nothing of rules in CRDs, which newer clients would hold against it. */
  async apply(yaml: string, flags: readonly string[] = []): Promise<Ended> {
    const file = join(this.#folder, 'manifests.yaml');
    await writeFile(file, yaml);
    return await this.run(['apply', '--validate=false', ...flags, '-f', file]);
  }

  /** The definitions of deploy/crds, until they are served. */
  async applyCrds(): Promise<void> {
    await this.must(['apply', '--validate=false', '-f', join(root, 'deploy/crds')]);
    await waitUntil(async () => (await this.run(['get', 'storagepolicies,erasurecodingpolicies'])).code === 0, {
      timeoutMs: 30_000,
      what: 'the custom resources',
    });
  }

  /** The script of the Job, as that runs it: with its account's token, and through the address that it is told. */
  async makeSecrets(account: { namespace: string; name: string }): Promise<Ended> {
    const kubeconfig = await this.#server.kubeconfigFor(account);
    const view = await end(this.#program, ['config', 'view', '--raw', '-o', 'json'], { KUBECONFIG: kubeconfig });
    const { users, clusters } = JSON.parse(view.stdout) as {
      users: { user: { token: string } }[];
      clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    };
    const tokenFile = join(this.#folder, 'token');
    const caFile = join(this.#folder, 'ca.crt');
    await writeFile(tokenFile, users[0]?.user.token ?? '');
    await writeFile(caFile, Buffer.from(clusters[0]?.cluster['certificate-authority-data'] ?? '', 'base64'));
    return await end(process.execPath, [join(root, 'deploy/base/secrets/make-secrets.mjs')], {
      KUBERNETES_API: clusters[0]?.cluster.server ?? '',
      TOKEN_FILE: tokenFile,
      NODE_EXTRA_CA_CERTS: caFile,
      POD_NAMESPACE: account.namespace,
    });
  }
}

function end(program: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(program, args, { env: { PATH, HOME, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
