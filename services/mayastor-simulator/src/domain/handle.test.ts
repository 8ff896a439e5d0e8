import { describe, expect, it } from 'vitest';
import { scenarioWith, TestCluster } from './cluster.fixture.ts';
import { addFault, clearFaults } from './handle.ts';
import { type FaultInput, faultSchema } from './request.ts';

const countRoute = { method: 'PUT', pathPattern: '/v0/volumes/*/replica_count/*' } as const;

function withFault(fault: FaultInput): TestCluster {
  const test = new TestCluster();
  addFault(test.cluster, faultSchema.parse(fault));
  return test;
}

function grow(test: TestCluster, count = 3) {
  return test.request('PUT', `/volumes/${test.volume().uuid}/replica_count/${count}`);
}

describe('faults', () => {
  it.each([
    [503, 'Unavailable'],
    [504, 'DeadlineExceeded'],
    [408, 'Timeout'],
  ])('answer %i with the effect applied, or without', (status, kind) => {
    for (const applied of [true, false]) {
      const test = withFault({ match: countRoute, answer: status, applied });
      expect(grow(test)).toMatchObject({ status, body: { kind } });
      expect(test.volume().numReplicas).toBe(applied ? 3 : 2);
      expect(test.volume().replicas).toHaveLength(applied ? 3 : 2);
      expect(test.cluster.faults.list).toEqual([]);
    }
  });

  it('never answer, with the effect applied late', () => {
    const test = withFault({ match: countRoute, answer: 'timeout', applied: true, delayMs: 4_000 });
    expect(grow(test).status).toBe('never');
    test.pass(3_999);
    expect(test.volume().numReplicas).toBe(2);
    test.pass(1);
    expect(test.volume().numReplicas).toBe(3);
  });

  it('hold a call back and give its true answer later', () => {
    const test = withFault({ match: countRoute, delayMs: 2_000 });
    const outcome = grow(test);
    expect(outcome).toMatchObject({ status: 'later', ticket: 1 });
    test.pass(2_000);
    expect(test.effects.filter((effect) => effect.kind === 'answered')).toMatchObject([{ ticket: 1, status: 200 }]);
  });

  it('deliver a late call as it meets the cluster then', () => {
    const test = withFault({ match: countRoute, delayMs: 2_000 });
    grow(test);
    test.call('PUT', `/volumes/${test.volume().uuid}/replica_count/3`);
    test.pass(2_000);
    expect(test.effects.filter((effect) => effect.kind === 'answered')).toMatchObject([{ status: 412 }]);
  });

  it('let the first calls pass, hit as often as they say, and are then used up', () => {
    const test = withFault({ match: { method: 'GET', pathPattern: '/v0/**' }, after: 1, times: 2, answer: 500 });
    const statuses = Array.from({ length: 5 }, () => test.call('GET', '/nodes').status);
    expect(statuses).toEqual([200, 500, 500, 200, 200]);
    expect(test.cluster.faults.list).toEqual([]);
  });

  it('hit by the chance that they say, as the seed has it', () => {
    const test = withFault({ match: { pathPattern: '/v0/nodes' }, probability: 0.5, times: 1_000, answer: 503 });
    const hits = Array.from({ length: 200 }, () => test.call('GET', '/nodes').status).filter((status) => status === 503).length;
    expect(hits).toBeGreaterThan(60);
    expect(hits).toBeLessThan(140);
  });

  it('show a GET what was there when they were set', () => {
    const test = withFault({ match: { method: 'GET', pathPattern: '/v0/volumes/*' }, stale: true, times: 2 });
    grow(test);
    expect(Object.keys(test.shown().state.replica_topology)).toHaveLength(2);
    expect(test.shown().spec.num_replicas).toBe(3);
    expect(Object.keys(test.shown().state.replica_topology)).toHaveLength(3);
  });

  it('leave a growth half-done: refused, num_replicas as before, and a replica that is collected later', () => {
    const test = withFault({ match: countRoute, answer: 500, applied: 'half' });
    expect(grow(test).status).toBe(500);
    expect(test.shown().spec.num_replicas).toBe(2);
    expect(Object.keys(test.shown().state.replica_topology)).toHaveLength(3);
    expect(test.shown().state.target?.children).toHaveLength(2);
    test.pass(10_000);
    expect(test.pools()).toEqual(['hot-n1', 'hot-n2']);
    expect(test.shown().state.status).toBe('Online');
  });

  it('give a raw body', () => {
    const test = withFault({ match: { pathPattern: '/v0/nodes' }, answer: 502, body: '<html>Bad Gateway</html>' });
    expect(test.request('GET', '/nodes')).toMatchObject({ status: 502, body: '<html>Bad Gateway</html>' });
  });

  it('are gone once cleared', () => {
    const test = withFault({ match: { pathPattern: '/v0/**' }, answer: 503, times: 99 });
    clearFaults(test.cluster);
    expect(test.call('GET', '/nodes').status).toBe(200);
  });

  it.each([
    [{ match: { pathPattern: '/v0/nodes' } }, 'the fault does nothing'],
    [{ match: { pathPattern: 'nodes' }, answer: 503 }, 'must start with /v0/'],
    [{ match: { pathPattern: '/v0/nodes' }, applied: false, delayMs: 5 }, 'is needed with applied: false'],
    [{ match: { pathPattern: '/v0/nodes' }, stale: true }, 'must be GET'],
  ])('are refused where they make no sense: %j', (fault, message) => {
    expect(JSON.stringify(faultSchema.safeParse(fault).error?.issues)).toContain(message);
  });

  it('of an operation in flight leave the volume busy', () => {
    const test = new TestCluster(scenarioWith({ operationMs: 5_000 }));
    addFault(test.cluster, faultSchema.parse({ match: countRoute, answer: 503, applied: true }));
    grow(test);
    expect(grow(test, 4).status).toBe(409);
  });
});
