/**
 * Which API server, and as whom: from a kubeconfig or from the ServiceAccount of the pod.
 *
 * Read by hand and at once, so that a bad file is told at start with the name of its field; what takes credentials over time is in
 * credentials.ts. No value of a field that may be secret gets into a message.
 */
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { KubeError } from './errors.ts';

const text = z.string().nullish();

const clusterSchema = z.looseObject({
  server: z.url({ protocol: /^https?$/ }),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().nullish(),
  'tls-server-name': text,
  'proxy-url': text,
});

const execSchema = z.looseObject({
  apiVersion: z.string(),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string() })).nullish(),
});

const userSchema = z.looseObject({
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  as: text,
  exec: execSchema.nullish(),
  'auth-provider': z.looseObject({ name: z.string(), config: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});
export type KubeUser = z.infer<typeof userSchema>;

const contextSchema = z.looseObject({ cluster: z.string(), user: z.string().nullish(), namespace: text });

const fileSchema = z.looseObject({
  'current-context': text,
  clusters: z.array(z.looseObject({ name: z.string(), cluster: clusterSchema })).nullish(),
  users: z.array(z.looseObject({ name: z.string(), user: userSchema.nullish() })).nullish(),
  contexts: z.array(z.looseObject({ name: z.string(), context: contextSchema })).nullish(),
});
type KubeconfigFile = z.infer<typeof fileSchema>;

/** Of one API server and one user. Paths of files are absolute. */
export interface KubeTarget {
  readonly server: string;
  readonly ca: { readonly file?: string | undefined; readonly data?: string | undefined };
  readonly verifiesServer: boolean;
  readonly serverName: string | undefined;
  readonly proxyUrl: string | undefined;
  readonly userName: string;
  readonly user: KubeUser;
}

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Throws KubeError CONFIG, naming what was looked for and which field of it is wrong. */
export function findKubeTarget(o: { kubeconfig?: string | undefined; env: NodeJS.ProcessEnv; serviceAccountFolder?: string }): KubeTarget {
  if (o.kubeconfig !== undefined && o.kubeconfig !== '') {
    return targetOf([o.kubeconfig]);
  }
  const fromEnv = (o.env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  if (fromEnv.length > 0) {
    return targetOf(fromEnv);
  }
  const folder = o.serviceAccountFolder ?? serviceAccountFolder;
  const host = o.env['KUBERNETES_SERVICE_HOST'];
  if (host !== undefined && host !== '' && existsSync(join(folder, 'token'))) {
    return inClusterTarget(host, o.env['KUBERNETES_SERVICE_PORT'] ?? '443', folder);
  }
  const home = o.env['HOME'];
  const homeFile = home === undefined || home === '' ? undefined : join(home, '.kube', 'config');
  if (homeFile !== undefined && existsSync(homeFile)) {
    return targetOf([homeFile]);
  }
  throw new KubeError('CONFIG', {
    lookedFor: `--kubeconfig, KUBECONFIG, KUBERNETES_SERVICE_HOST with ${join(folder, 'token')}, ${homeFile ?? '~/.kube/config (no HOME)'}`,
  });
}

function inClusterTarget(host: string, port: string, folder: string): KubeTarget {
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca: { file: join(folder, 'ca.crt') },
    verifiesServer: true,
    serverName: undefined,
    proxyUrl: undefined,
    userName: 'service-account',
    user: { tokenFile: join(folder, 'token') },
  };
}

/** Of several files the first one that names a cluster, a user, a context or the current context wins, as for kubectl. */
function targetOf(paths: readonly string[]): KubeTarget {
  const files = paths.map(readKubeconfig);
  const where = paths.join(', ');
  const contextName = files.map((file) => file['current-context'] ?? '').find((name) => name !== '');
  if (contextName === undefined) {
    throw new KubeError('CONFIG', { kubeconfig: where, field: 'current-context', problem: 'is missing' });
  }
  const context = named(files, 'contexts', contextName, where).context;
  const cluster = named(files, 'clusters', context.cluster, where).cluster;
  const user = context.user === null || context.user === undefined ? {} : (named(files, 'users', context.user, where).user ?? {});
  const proxyUrl = cluster['proxy-url'] ?? undefined;
  if (proxyUrl !== undefined && !/^https?:\/\//.test(proxyUrl)) {
    throw new KubeError('CONFIG', { kubeconfig: where, field: 'proxy-url', problem: 'only http and https proxies are supported' });
  }
  const provider = user['auth-provider']?.name;
  if (provider !== undefined && provider !== 'oidc') {
    throw new KubeError('CONFIG', { kubeconfig: where, field: 'auth-provider', problem: `${provider} is obsolete: use an exec plugin` });
  }
  return {
    server: cluster.server.replace(/\/+$/, ''),
    ca: { file: cluster['certificate-authority'] ?? undefined, data: cluster['certificate-authority-data'] ?? undefined },
    verifiesServer: cluster['insecure-skip-tls-verify'] !== true,
    serverName: cluster['tls-server-name'] ?? undefined,
    proxyUrl,
    userName: context.user ?? '',
    user,
  };
}

function readKubeconfig(path: string): KubeconfigFile {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw new KubeError('CONFIG', { kubeconfig: path, problem: `cannot be read: ${code}` });
  }
  const document = parseDocument(source, { logLevel: 'silent' });
  const fault = document.errors[0];
  if (fault !== undefined) {
    // Not the parser's message: it quotes the line, which may hold a token.
    throw new KubeError('CONFIG', { kubeconfig: path, problem: `not YAML: ${fault.code} at line ${fault.linePos?.[0].line ?? '?'}` });
  }
  const checked = fileSchema.safeParse(document.toJS());
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw new KubeError('CONFIG', { kubeconfig: path, field: issue?.path.join('.') || '(the whole file)', problem: issue?.message });
  }
  return absolutePaths(checked.data, dirname(path));
}

/** Relative paths are relative to the kubeconfig that names them. */
function absolutePaths(file: KubeconfigFile, folder: string): KubeconfigFile {
  const absolute = <T extends object>(object: T, fields: readonly (keyof T)[]): void => {
    for (const field of fields) {
      const path = object[field];
      if (typeof path === 'string' && path !== '' && !isAbsolute(path)) {
        object[field] = join(folder, path) as T[keyof T];
      }
    }
  };
  for (const { cluster } of file.clusters ?? []) {
    absolute(cluster, ['certificate-authority']);
  }
  for (const { user } of file.users ?? []) {
    if (user) {
      absolute(user, ['tokenFile', 'client-certificate', 'client-key']);
    }
    if (user?.exec?.command.includes('/')) {
      absolute(user.exec, ['command']);
    }
  }
  return file;
}

function named<Field extends 'contexts' | 'clusters' | 'users'>(
  files: readonly KubeconfigFile[],
  field: Field,
  name: string,
  where: string,
): NonNullable<KubeconfigFile[Field]>[number] {
  for (const file of files) {
    const entries: readonly { name: string }[] = file[field] ?? [];
    const found = entries.find((entry) => entry.name === name);
    if (found !== undefined) {
      return found as NonNullable<KubeconfigFile[Field]>[number];
    }
  }
  throw new KubeError('CONFIG', { kubeconfig: where, field, problem: `has no entry named ${name}` });
}
