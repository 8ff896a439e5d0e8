import { ConfigError, readOptions } from '@couchestor/shared/options';
import { describe, expect, it } from 'vitest';
import { ecEncoderOptions, readSettings, type VaultSettings } from './config.ts';

function settings(argv: string[]): VaultSettings {
  return readSettings(readOptions(ecEncoderOptions, { argv: ['--data-dir', '/vault', ...argv], env: {} }).values);
}

function problems(argv: string[]): string[] {
  try {
    settings(argv);
  } catch (error) {
    return ConfigError.is(error) ? String(error.facts['problems']).split('\n') : [];
  }
  return [];
}

describe('the options of ec-encoder', () => {
  it('reads drives with the domains that are given, and journals', () => {
    const read = settings(['--drive', '/d/1,zone=east,node=n1', '--drive', '/d/2;/d/3,disk=8:0', '--journal', '/j/1,domain=a']);
    expect(read.drives).toEqual([
      { path: '/d/1', domain: { zone: 'east', node: 'n1' } },
      { path: '/d/2', domain: {} },
      { path: '/d/3', domain: { disk: '8:0' } },
    ]);
    expect(read.journal).toEqual([{ path: '/j/1', domain: 'a' }]);
    expect(read.apiSocket).toBe('/vault/api.sock');
  });

  it('takes sockets and addresses for NBD', () => {
    expect(settings(['--nbd-listen', '/run/nbd.sock', '--nbd-listen', '[::1]:10809']).nbdListen).toEqual([
      { unixPath: '/run/nbd.sock' },
      { host: '::1', port: 10_809 },
    ]);
  });

  it.each([
    [['--drive', 'zone=a'], /begins with no path/],
    [['--drive', '/a,rack=3'], /"rack=3" of "\/a,rack=3" is none of zone=/],
    [['--drive', '/a,zone=1,zone=2'], /zone= twice/],
    [['--drive', '/a', '--drive', '/b/../a'], /\/a is given twice/],
    [['--nbd-listen', 'nbd.sock'], /neither the path of a unix socket/],
    [['--nbd-listen', `/${'x'.repeat(120)}`], /choose a shorter folder/],
    [['--nbd-tls-cert', '/c'], /needs both/],
    [['--api-addr', '0.0.0.0:9100'], /needs --api-token-file/],
  ])('refuses %j and says why', (argv, why) => {
    expect(problems(argv)).toEqual([expect.stringMatching(why)]);
  });

  it('asks for no token on an address of this machine alone', () => {
    expect(settings(['--api-addr', '127.0.0.1:9100']).apiListen).toEqual({ host: '127.0.0.1', port: 9_100 });
  });

  it('tells everything that is wrong at once', () => {
    expect(problems(['--drive', 'zone=a', '--journal', '/j,zone=a', '--nbd-tls-ca', '/c'])).toHaveLength(3);
  });
});
