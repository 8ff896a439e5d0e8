import { expect, test } from 'vitest';
import { packagesToDescribe, versionFlags } from './build-api-server.ts';

test('each folder with marked files is described once, and those of examples, tests and generators are not', () => {
  const files = [
    'vendor/k8s.io/api/core/v1/doc.go',
    'vendor/k8s.io/api/core/v1/types.go',
    'vendor/k8s.io/api/apps/v1/doc.go',
    'vendor/k8s.io/sample-apiserver/pkg/apis/wardle/v1alpha1/doc.go',
    'vendor/k8s.io/code-generator/_examples/apiserver/apis/example/v1/doc.go',
    'vendor/k8s.io/kube-openapi/pkg/generators/openapi.go',
    'vendor/k8s.io/apimachinery/testdata/doc.go',
    'pkg/kubelet/apis/config/types.go',
  ];
  expect(packagesToDescribe(files)).toEqual(['pkg/kubelet/apis/config', 'vendor/k8s.io/api/apps/v1', 'vendor/k8s.io/api/core/v1']);
});

test('both places that /version reads are told the version', () => {
  const flags = versionFlags({ major: '1', minor: '20', patch: '2' });
  for (const place of ['component-base/version', 'client-go/pkg/version']) {
    expect(flags).toContain(`-X k8s.io/kubernetes/vendor/k8s.io/${place}.gitVersion=v1.20.2`);
    expect(flags).toContain(`-X k8s.io/kubernetes/vendor/k8s.io/${place}.gitMajor=1`);
    expect(flags).toContain(`-X k8s.io/kubernetes/vendor/k8s.io/${place}.gitMinor=20`);
  }
});
