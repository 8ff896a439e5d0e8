import { expect, test } from 'vitest';
import { faultOfServer, openExistingCluster } from './existing-cluster.ts';

test.each(['https://127.0.0.1:6443', 'https://127.3.2.1', 'https://localhost:6443', 'https://[::1]:6443'])(
  'tests may write to %s',
  (url) => {
    expect(faultOfServer(url, undefined)).toBeUndefined();
  },
);

test.each(['https://10.0.0.1:6443', 'https://production.example.com', 'https://127.0.0.1.example.com', 'https://[2001:db8::1]'])(
  'tests do not write to %s unless it is named',
  (url) => {
    const { hostname } = new URL(url);
    expect(faultOfServer(url, undefined)).toContain(`COUCHESTOR_TEST_CLUSTER=${hostname}`);
    expect(faultOfServer(url, 'other.example.com')).toContain(hostname);
    expect(faultOfServer(url, hostname)).toBeUndefined();
  },
);

test('a kubeconfig without a server is refused', () => {
  expect(faultOfServer('', undefined)).toContain('names no server');
});

test('an existing cluster without KUBECONFIG is refused', async () => {
  await expect(openExistingCluster({ USE_EXISTING_CLUSTER: 'true' })).rejects.toThrow('KUBECONFIG');
});
