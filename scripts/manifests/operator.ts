/** deploy/operator.yaml: the overlay `operator`, in one file that `kubectl apply -f` takes. */
import { parseAllDocuments, stringify } from 'yaml';
import type { Kustomize } from './kustomize.ts';

export const operatorPath = 'deploy/operator.yaml';

const head = `# CoucheStor in one pod, with NATS and Redis beside it. Apply deploy/crds/ before it. The image is yours to build:
#
#     kubectl apply -f deploy/crds/
#     sed 's#couchestor/operator:0.1.0#REGISTRY/couchestor/operator:0.1.0#' deploy/operator.yaml | kubectl apply -f -
#
# Generated from deploy/overlays/operator by \`npm run docs\`. Change the files there, or make an overlay of your own, not this file.
`;

export async function operatorManifest(kustomize: Kustomize): Promise<string> {
  const rendered = parseAllDocuments(await kustomize('deploy/overlays/operator'));
  // As everything else here is formatted.
  return head + rendered.map((document) => stringify(document.toJS(), { lineWidth: 0 })).join('---\n');
}
