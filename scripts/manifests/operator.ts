/** deploy/operator.yaml: the overlay `operator`, in one file that `kubectl apply -f` takes. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments, stringify } from 'yaml';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));

const head = `# CoucheStor in one pod, with NATS and Redis beside it. Apply deploy/crds/ before it.
#
#     kubectl apply -f deploy/crds/
#     kubectl apply -f deploy/operator.yaml
#
# Generated from deploy/overlays/operator by \`npm run manifests\`. Change the files there, or make an overlay of your own, not this file.
`;

/** Rendered by kubectl, which needs no cluster for it. */
export async function operatorManifest(kubectl: string): Promise<string> {
  const rendered = parseAllDocuments(await kustomize(kubectl, 'deploy/overlays/operator'));
  // As everything else here is formatted.
  return head + rendered.map((document) => stringify(document.toJS(), { lineWidth: 0 })).join('---\n');
}

export async function kustomize(kubectl: string, folder: string): Promise<string> {
  const { stdout } = await run(kubectl, ['kustomize', join(root, folder)], { maxBuffer: 16 * 1024 ** 2 });
  return stdout;
}
