/** Each check's judgement, over facts made up for it. */
import { someVolumeId } from '@couchestor/shared/testing/facts';
import { aNode, aPool, aWorld, type PoolInput, type VolumeInput } from '@couchestor/shared/testing/mayastor-objects';
import { describe, expect, it } from 'vitest';
import { painter } from '../terminal/ansi.ts';
import { checkLines, hasProblem } from './check-report.ts';
import { type Judged, judgeAll } from './checks.ts';
import type { Facts, MayastorFacts, StorageClassFacts } from './facts.ts';

const absent = { kind: 'absent', why: 'nobody said where' } as const;
const failed = { kind: 'failed', why: 'it is on fire' } as const;

function seen<T>(value: T): { readonly kind: 'seen'; readonly value: T } {
  return { kind: 'seen', value };
}

const gate = { managed: 'true' };
const pools: readonly PoolInput[] = [
  ...['n1', 'n2', 'n3'].map((node) => ({ id: `hot-${node}`, node, labels: { ...gate, tier: 'hot' } })),
  ...['n2', 'n3', 'n4'].map((node) => ({ id: `cold-${node}`, node, labels: { ...gate, tier: 'cold' } })),
];
const replicas = [
  { uuid: 'r1', pool: 'hot-n1', node: 'n1' },
  { uuid: 'r2', pool: 'hot-n2', node: 'n2' },
];
const policy = {
  name: 'tiering',
  storageClassName: 'mayastor',
  selectors: { hot: { matchLabels: { tier: 'hot' } }, cold: { matchLabels: { tier: 'cold' } } },
};

function mayastorWith(
  o: { pools?: readonly PoolInput[]; volume?: Partial<VolumeInput>; versions?: readonly (string | undefined)[]; poolCordon?: boolean } = {},
): MayastorFacts {
  const { volume } = aWorld({ volume: { replicas, ...o.volume }, pools: [] });
  const versions = o.versions ?? ['2.10.0', '2.10.0', '2.10.0', '2.10.0'];
  const nodes = versions.map((version, index) => {
    const node = aNode(`n${index + 1}`);
    return { ...node, state: { id: node.id, status: 'Online', ...(version === undefined ? {} : { version }) } };
  });
  return {
    url: 'http://rest:8081',
    poolCordon: o.poolCordon ?? true,
    cluster: { pools: (o.pools ?? pools).map(aPool), nodes, volumes: [volume] },
  };
}

function pinnedTo(inclusion: Record<string, string>): Partial<VolumeInput> {
  return { poolInclusion: { 'openebs.io/created-by': 'operator-diskpool', ...inclusion } };
}

function storageClass(parameters: Record<string, string>, o: Partial<StorageClassFacts> = {}): StorageClassFacts {
  return { name: 'mayastor', provisioner: 'io.openebs.csi-mayastor', parameters, ...o };
}

const clock = (whose: string, aheadMs: number) => ({ whose, seen: seen({ whose, aheadMs, uncertaintyMs: 600 }) });

const well: Facts = {
  mayastor: seen(mayastorWith({ volume: pinnedTo({ managed: '' }) })),
  policies: seen({ policies: [policy], unreadable: 0 }),
  diskPoolLabels: absent,
  storageClasses: seen([
    storageClass({ poolHasTopologyKey: 'managed' }),
    storageClass({ pin: 'x' }, { name: 'local', provisioner: 'other' }),
  ]),
  crds: seen([{ name: 'storagepolicies.storage.billyronks.io', state: { established: true, servesOurs: true } }]),
  rights: seen({ ofServices: true, accounts: [{ account: 'policy-brain', asked: 9, missing: [] }] }),
  prometheus: seen({ volumesMeasured: 1, targets: [{ instance: 'n1:9502', up: true }] }),
  clocks: [clock('Mayastor', 200), clock('Prometheus', -300)],
  nats: seen({ version: '2.10.24', jetStream: true, streams: [{ name: 'S', onDisk: true }] }),
  redis: seen({ version: '7.0.15', maxmemoryPolicy: 'noeviction', appendOnly: true }),
};

function judgementOf(id: string, facts: Partial<Facts>): Judged {
  const found = judgeAll({ ...well, ...facts }).find((judged) => judged.id === id);
  if (found === undefined) {
    throw new Error(`no check ${id}`);
  }
  return found;
}

function told({ finding, details = [] }: Judged): string {
  return [finding, ...details].join('\n');
}

it('finds a system that is as it should be well, with a number in every finding', () => {
  const judged = judgeAll(well);
  expect(judged.filter(({ verdict }) => verdict !== 'ok')).toEqual([]);
  expect(judged.filter(({ finding }) => !/\d|Established|tied to a tier|every pool has/.test(finding))).toEqual([]);
  expect(hasProblem(judged)).toBe(false);
});

it('checks nothing that it has not seen, and says why', () => {
  const judged = judgeAll({
    mayastor: failed,
    policies: absent,
    diskPoolLabels: absent,
    storageClasses: absent,
    crds: absent,
    rights: absent,
    prometheus: absent,
    clocks: [{ whose: 'Mayastor', seen: failed }],
    nats: absent,
    redis: absent,
  });
  const [mayastor, ...others] = judged;
  expect(mayastor).toMatchObject({ id: 'mayastor', verdict: 'problem', finding: 'it is on fire' });
  expect(others.map(({ verdict }) => verdict)).toEqual(others.map(() => 'not checked'));
  expect(others.every(({ finding }) => /nobody said where|Mayastor does not answer|it is on fire/.test(finding))).toBe(true);
});

it('gives a cure with every warning and every problem, and shows no more than a dozen details', () => {
  const many = Array.from({ length: 30 }, (_, index) => ({ id: `lost-${index}`, labels: {} }));
  const judged = judgeAll({ ...well, mayastor: seen(mayastorWith({ pools: [...pools, ...many] })), redis: failed });
  const bad = judged.filter(({ verdict }) => verdict === 'warning' || verdict === 'problem');
  expect(bad.map(({ id }) => id)).toEqual(['pools-in-tiers', 'redis']);
  expect(bad.every(({ cure = '' }) => cure !== '')).toBe(true);
  expect(bad[0]?.details).toHaveLength(13);
  expect(bad[0]?.details?.at(-1)).toBe('and 18 more');
  const lines = checkLines(judged, painter(false));
  expect(lines.join('\n')).toContain('cure: correct --redis-url');
  expect(hasProblem(judged)).toBe(true);
});

describe('mayastor-version', () => {
  it.each([
    ['without pool cordon is a problem', { poolCordon: false, versions: ['2.9.1'] }, 'problem', /no pool cordon \(2\.9\.1\)/],
    ['that differs between nodes is a warning', { versions: ['2.10.0', '2.11.1'] }, 'warning', /2\.10\.0, 2\.11\.1\nnode n1: 2\.10\.0/],
    ['that no node tells is said', { versions: [undefined] }, 'ok', /version not told/],
  ] as const)('%s', (_what, mayastor, verdict, words) => {
    const judged = judgementOf('mayastor-version', { mayastor: seen(mayastorWith(mayastor)) });
    expect(judged.verdict).toBe(verdict);
    expect(told(judged)).toMatch(words);
  });
});

it('names in its cure for pinned volumes the key that another class asks for, or else the usual one', () => {
  const pinned = storageClass({ poolAffinityTopologyLabel: 'tier: hot' }, { name: 'pinned' });
  const cureWith = (...classes: StorageClassFacts[]) => judgementOf('pinned-classes', { storageClasses: seen([pinned, ...classes]) }).cure;
  expect(cureWith(storageClass({ poolHasTopologyKey: 'managed' }))).toContain('poolHasTopologyKey: managed,');
  expect(cureWith()).toContain('poolHasTopologyKey: couchestor-managed,');
});

describe('pools-in-tiers', () => {
  const withPools = (more: readonly PoolInput[], facts: Partial<Facts> = {}) =>
    judgementOf('pools-in-tiers', { mayastor: seen(mayastorWith({ pools: [...pools, ...more] })), ...facts });

  it('warns of a pool in no tier of any policy', () => {
    expect(withPools([{ id: 'odd', labels: { tier: 'tepid' } }])).toMatchObject({
      verdict: 'warning',
      details: ['pool odd: in no tier of any policy'],
    });
  });

  it('has a problem with a pool in two tiers, and with a tier without a pool', () => {
    const greedy = { ...policy, selectors: { hot: { matchLabels: gate }, cold: { matchLabels: { tier: 'cold' } } } };
    const twice = judgementOf('pools-in-tiers', { policies: seen({ policies: [greedy], unreadable: 0 }) });
    expect(twice.verdict).toBe('problem');
    expect(told(twice)).toContain('pool cold-n2: in two tiers of policy tiering');
    const warm = { ...policy, selectors: { ...policy.selectors, warm: { matchLabels: { tier: 'warm' } } } };
    const empty = judgementOf('pools-in-tiers', { policies: seen({ policies: [warm], unreadable: 0 }) });
    expect(empty).toMatchObject({ verdict: 'problem', details: ['policy tiering: no pool is in tier warm'] });
  });

  it('heeds the labels of DiskPools, and checks nothing where there is no policy', () => {
    expect(withPools([{ id: 'odd' }], { diskPoolLabels: seen(new Map([['odd', { tier: 'cold' }]])) }).verdict).toBe('ok');
    expect(withPools([], { policies: seen({ policies: [], unreadable: 0 }) })).toMatchObject({
      verdict: 'not checked',
      finding: 'there is no policy',
    });
  });
});

describe('gate-labels', () => {
  const bare = [...pools, { id: 'cold-n9', node: 'n9', labels: { tier: 'cold' } }];

  it('warns of a pool of a tier that lacks a key which volumes or classes ask for', () => {
    const byBoth = judgementOf('gate-labels', { mayastor: seen(mayastorWith({ pools: bare, volume: pinnedTo({ managed: '' }) })) });
    expect(byBoth).toMatchObject({ verdict: 'warning', details: ['pool cold-n9 lacks managed, asked for by 2 volumes or classes'] });
    const byClass = judgementOf('gate-labels', { mayastor: seen(mayastorWith({ pools: bare })) });
    expect(byClass.verdict).toBe('warning');
  });

  it('asks it of no pool that is outside the tiers, nor of another class’s', () => {
    const outside = [...pools, { id: 'scratch', node: 'n9' }];
    expect(judgementOf('gate-labels', { mayastor: seen(mayastorWith({ pools: outside })) }).verdict).toBe('ok');
    const others = seen([storageClass({ poolHasTopologyKey: 'theirs' }, { name: 'unrelated' })]);
    expect(judgementOf('gate-labels', { storageClasses: others }).verdict).toBe('ok');
  });

  it('is content without any gate label, and says what is done instead', () => {
    const judged = judgementOf('gate-labels', { mayastor: seen(mayastorWith()), storageClasses: absent });
    expect(judged).toMatchObject({ verdict: 'ok', finding: expect.stringContaining('cordon the node') });
  });
});

describe('pinned-classes', () => {
  const of = (...classes: StorageClassFacts[]) => judgementOf('pinned-classes', { storageClasses: seen(classes) });

  it('has a problem with one of a policy that is tied to a tier', () => {
    const judged = of(storageClass({ poolAffinityTopologyLabel: 'tier: hot' }));
    expect(judged).toMatchObject({
      verdict: 'problem',
      details: ['StorageClass mayastor: its volumes never go to the cold tier of policy tiering (tier=hot)'],
    });
  });

  it.each([
    ['a pin of a class that no policy names', { poolAffinityTopologyLabel: '"zone: a"\nsite: "b"' }, /all other pools/],
    ['a pin to nodes', { nodeAffinityTopologyLabel: 'rack: one' }, /stay on nodes with rack=one/],
    ['a parameter in the wrong case', { poolhasTopologyKey: 'managed' }, /poolhasTopologyKey is ignored/],
    ['two topology parameters', { poolHasTopologyKey: 'managed', nodeSpreadTopologyKey: 'zone' }, /only one of them/],
  ])('warns of %s', (_what, parameters, words) => {
    const judged = of(storageClass(parameters, { name: 'other' }), storageClass({ poolHasTopologyKey: 'managed' }));
    expect(judged.verdict).toBe('warning');
    expect(told(judged)).toMatch(words);
  });

  it('takes a label that pools of all tiers have for no pin', () => {
    expect(of(storageClass({ poolAffinityTopologyLabel: 'managed: "true"' })).verdict).toBe('ok');
  });
});

describe('pinned-volumes', () => {
  const of = (inclusion: Record<string, string>, facts: Partial<Facts> = {}) =>
    judgementOf('pinned-volumes', { mayastor: seen(mayastorWith({ volume: pinnedTo(inclusion) })), ...facts });

  it('names the tiers that a volume can never lie on', () => {
    expect(of({ tier: 'hot' })).toMatchObject({
      verdict: 'warning',
      finding: '1 of 1 volume',
      details: [`volume ${someVolumeId}: never on the cold tier of policy tiering`],
    });
  });

  it('knows a pin by its value where there are no policies, and the driver’s own label for none', () => {
    expect(told(of({ tier: 'hot' }, { policies: absent }))).toContain('pools without tier=hot');
    expect(of({ managed: '' }, { policies: absent }).verdict).toBe('ok');
  });
});

describe('room-to-grow', () => {
  const of = (volume: Partial<VolumeInput>, more: Partial<Parameters<typeof mayastorWith>[0]> = {}) =>
    judgementOf('room-to-grow', { mayastor: seen(mayastorWith({ volume, ...more })) });

  it('has a problem where no volume has a node to grow to', () => {
    const two = pools.filter(({ node }) => node === 'n1' || node === 'n2');
    const judged = of({}, { pools: two });
    expect(judged.verdict).toBe('problem');
    expect(told(judged)).toContain(`volume ${someVolumeId}: 2 replicas, 2 nodes that may hold one`);
  });

  it('counts only nodes that the volume may lie on', () => {
    expect(told(of(pinnedTo({ tier: 'hot' })))).not.toContain('that may hold one');
    expect(told(of({ ...pinnedTo({ tier: 'hot' }), numReplicas: 3 }))).toContain('3 replicas, 3 nodes that may hold one');
  });

  it('warns of a tier with no more nodes than its volumes have replicas', () => {
    const judged = of({ numReplicas: 3 });
    expect(judged.verdict).toBe('warning');
    expect(told(judged)).toContain('policy tiering: tier cold has 3 nodes, its volumes up to 3 replicas');
  });
});

describe('exporter', () => {
  const target = (up: boolean) => ({ instance: `n${up ? 1 : 2}:9502`, up });

  it.each([
    ['that Prometheus has never seen', { volumesMeasured: 0, targets: [] }, 'problem', /no series of the exporter/],
    [
      'of which a target is down',
      { volumesMeasured: 1, targets: [target(true), target(false)] },
      'problem',
      /1 of 2 targets down.*\ntarget n2:9502 is down/,
    ],
    ['that lacks a published volume', { volumesMeasured: 0, targets: [target(true)] }, 'warning', /0 of 1 published volumes/],
  ] as const)('%s', (_what, prometheus, verdict, words) => {
    const judged = judgementOf('exporter', { prometheus: seen(prometheus) });
    expect(judged.verdict).toBe(verdict);
    expect(told(judged)).toMatch(words);
  });

  it('cannot be asked about where Prometheus is away, and is judged by itself where Mayastor is', () => {
    expect(judgementOf('exporter', { prometheus: failed }).verdict).toBe('problem');
    expect(judgementOf('exporter', { mayastor: failed })).toMatchObject({
      verdict: 'ok',
      finding: expect.stringContaining('unknown number'),
    });
  });
});

describe('clocks', () => {
  it.each([
    [4_000, 'ok', /Mayastor is at least 3\.4 s ahead, Prometheus agrees to 0\.6 s/],
    [-20_000, 'warning', /Mayastor is at least 19\.4 s behind/],
    [90_000, 'problem', /Mayastor is at least 89\.4 s ahead/],
  ] as const)('%i ms apart are %s', (aheadMs, verdict, words) => {
    const judged = judgementOf('clocks', {
      clocks: [clock('Mayastor', aheadMs), clock('Prometheus', 0), { whose: 'the API server', seen: absent }],
    });
    expect(judged.verdict).toBe(verdict);
    expect(judged.finding).toMatch(words);
  });
});

describe('crds', () => {
  const of = (...states: ({ established: boolean; servesOurs: boolean } | undefined)[]) =>
    judgementOf('crds', { crds: seen(states.map((state, index) => ({ name: `c${index}`, state }))) });
  const good = { established: true, servesOurs: true };

  it('are a warning where none is installed, for policies may be files, and a problem where one is half there', () => {
    expect(of(undefined, undefined).verdict).toBe('warning');
    expect(of(good, undefined)).toMatchObject({ verdict: 'problem', details: ['c1 is not installed'] });
    expect(of(good, { ...good, established: false }).details).toEqual(['c1 is not Established']);
    expect(of(good, { ...good, servesOurs: false }).details).toEqual(['c1 does not serve and store v1']);
  });
});

describe('rights', () => {
  const of = (ofServices: boolean, ...accounts: { account: string; asked: number; missing: string[] }[]) =>
    judgementOf('rights', { rights: seen({ ofServices, accounts }) });

  it('are a problem where an account in use lacks one; one without any is not in use', () => {
    const idle = { account: 'operator', asked: 1, missing: ['get x'] };
    expect(of(true, idle, { account: 'policy-brain', asked: 2, missing: [] }).verdict).toBe('ok');
    const lacking = of(true, idle, { account: 'policy-brain', asked: 2, missing: ['list persistentvolumes'] });
    expect(lacking).toMatchObject({ verdict: 'problem', details: ['policy-brain may not list persistentvolumes'] });
    expect(of(true, idle)).toMatchObject({ verdict: 'problem', finding: 'no account of a service has any of its rights' });
  });

  it('of whoever asks are only a warning', () => {
    expect(of(false, { account: 'you', asked: 2, missing: ['get x'] }).verdict).toBe('warning');
    expect(of(false, { account: 'you', asked: 2, missing: [] }).finding).toContain('of the account in use');
  });
});

describe('nats and redis', () => {
  it.each([
    ['nats', { version: '2.10.24', jetStream: false, streams: [] }, 'problem', /without JetStream/],
    ['nats', { version: '2.10.24', jetStream: true, streams: [{ name: 'S', onDisk: false }] }, 'problem', /stream S is in memory/],
    ['nats', { version: '2.8.4', jetStream: true, streams: [] }, 'problem', /NATS 2\.8\.4/],
    ['nats', { version: '2.9.10', jetStream: true, streams: [] }, 'warning', /loss of power/],
    ['nats', { version: '2.12.0-beta.1', jetStream: true, streams: [] }, 'ok', /NATS 2\.12\.0/],
    ['redis', { version: '7.0.0', maxmemoryPolicy: 'allkeys-lru', appendOnly: true }, 'problem', /drops jobs/],
    ['redis', { version: '7.0.0', maxmemoryPolicy: 'noeviction', appendOnly: false }, 'warning', /appendonly no/],
    ['redis', { version: '6.0.16', maxmemoryPolicy: 'noeviction', appendOnly: true }, 'problem', /Redis 6\.0\.16/],
  ] as const)('%s with %j is a %s', (id, value, verdict, words) => {
    const judged = judgementOf(id, { [id]: seen(value) });
    expect(judged.verdict).toBe(verdict);
    expect(told(judged)).toMatch(words);
  });
});
