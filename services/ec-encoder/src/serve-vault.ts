/** A vault and everything around it: NBD, the API, what the bus is told, readiness. */
import { connectBus } from '@couchestor/shared/bus/connect';
import { problemConditions } from '@couchestor/shared/contracts/vault';
import { describeError } from '@couchestor/shared/errors';
import type { ServiceContext } from '@couchestor/shared/service';
import { openApiToken } from './adapters/api-token.ts';
import { type NbdServer, startNbdServer } from './adapters/nbd/server.ts';
import { readPolicy } from './adapters/read-policy.ts';
import { type EcEncoderConfig, isLoopback, type Listen, readSettings, type VaultSettings } from './config.ts';
import { EcError } from './errors.ts';
import { startApi } from './handlers/api.ts';
import { Operations } from './handlers/operations.ts';
import { startTelling } from './handlers/tell-loop.ts';
import { ecEncoderMetrics } from './metrics.ts';
import type { GivenPolicy, OpenVault, VaultApi } from './vault/vault-api.ts';

/** What is in the journal stays there: nothing but what is in hand is waited for. */
const vaultStopBudgetMs = 20_000;
const nbdStopBudgetMs = 5_000;
const operationsStopBudgetMs = 5_000;
const apiStopBudgetMs = 2_000;
const busStopBudgetMs = 3_000;

type Context = Omit<ServiceContext<EcEncoderConfig>, 'bus'>;

export async function serveVault(context: Context, openVault: OpenVault): Promise<void> {
  const { config, env, logger, registry, health, lifecycle } = context;
  const settings = readSettings(config);
  const { apiListen } = settings;
  const token = config.apiTokenFile === undefined ? undefined : await openApiToken(config.apiTokenFile, Date.now);
  const policy = await policyOf(context);

  let open: VaultApi | undefined;
  const metrics = ecEncoderMetrics(registry, { status: () => open?.status() });
  const vault = await openVault({
    dataDir: settings.dataDir,
    drives: settings.drives,
    journal: settings.journal,
    ...(policy === undefined ? {} : { policy }),
    throttle: settings.throttle,
    acceptJournalLoss: config.acceptJournalLoss,
    env,
    logger,
    observer: metrics.observer,
    signal: lifecycle.signal,
  });
  open = vault;
  lifecycle.onStop({ name: 'vault', budgetMs: vaultStopBudgetMs, stop: () => vault.close() });
  health.addReadiness('vault', async () => vaultCheck(vault));

  if (!config.withoutNats) {
    tellBus(context, vault);
  }
  const operations = new Operations({ now: Date.now, logger });
  lifecycle.onStop({ name: 'operations', budgetMs: operationsStopBudgetMs, stop: () => operations.stop() });
  const served: Listen[] = [];
  for (const listen of settings.nbdListen) {
    const tls = 'unixPath' in listen ? undefined : settings.nbdTls;
    const server = await startNbdServer({
      exports: vault.exports,
      listen,
      ...(tls === undefined ? {} : { tls, requireTls: true }),
      logger,
      metrics: metrics.nbd,
    });
    lifecycle.onStop({ name: `NBD on ${nameOf(listen)}`, budgetMs: nbdStopBudgetMs, stop: () => server.close(nbdStopBudgetMs - 500) });
    served.push(addressOf(server));
    warnOfOpenNbd(context, { listen, settings });
  }
  const shared = { vault, operations, logger };
  const apis = [
    await startApi({ ...shared, listen: { unixPath: settings.apiSocket } }),
    ...(apiListen === undefined
      ? []
      : [await startApi({ ...shared, listen: { ...apiListen, ...(token === undefined ? {} : { token }) } })]),
  ];
  lifecycle.onStop({
    name: 'API',
    budgetMs: apiStopBudgetMs,
    stop: async () => void (await Promise.all(apis.map((api) => api.close()))),
  });
  const { survives, phase, codecEngine } = vault.status();
  logger.info(
    {
      vaultId: vault.vaultId,
      phase,
      survives: survives.sentence,
      codec: codecEngine.name,
      slowBecause: codecEngine.slowBecause,
      api: apis.map(({ address }) => address).join(', '),
      nbd: served.map(nameOf).join(', ') || undefined,
    },
    'the vault is open',
  );
}

/** A vault that was made keeps the spec of its policy: then a source that is away, or does not know the policy any more, is no hindrance. */
async function policyOf({ config, env, logger, registry }: Context): Promise<GivenPolicy | undefined> {
  try {
    return await readPolicy(config, { env, logger, registry });
  } catch (err) {
    if (EcError.is(err, 'BAD_POLICY')) {
      throw err;
    }
    logger.warn({ err }, 'the policy could not be read: a vault that was made before goes on by the spec that it keeps');
    return undefined;
  }
}

/** What readiness remarks. Throws where the vault cannot do its work. */
function vaultCheck(vault: VaultApi): string {
  const { phase, conditions, survives } = vault.status();
  const said = problemConditions(conditions).map(({ type, message }) => `${type}: ${message}`);
  const text = [phase, ...said, survives.sentence].join('; ');
  if (phase === 'failed' || phase === 'starting') {
    throw new Error(text);
  }
  return text;
}

/** In the background: the vault serves its clients whether NATS answers or not. */
function tellBus({ config, logger, registry, health, lifecycle }: Context, vault: VaultApi): void {
  let state = 'not connected yet';
  const bus = connectBus({
    url: config.natsUrl,
    streamReplicas: config.natsStreamReplicas,
    name: 'ec-encoder',
    logger,
    registry,
    signal: lifecycle.signal,
  });
  const connected = bus.then(
    (found) => {
      state = 'connected';
      return found;
    },
    (err: unknown) => {
      state = describeError(err);
      if (!lifecycle.signal.aborted) {
        logger.error({ err }, 'NATS is told nothing of this vault');
      }
      throw err;
    },
  );
  const telling = startTelling({ vault, bus: connected, now: Date.now, logger });
  health.addReadiness('bus', async () => state);
  lifecycle.onStop({
    name: 'bus',
    budgetMs: busStopBudgetMs,
    stop: async () => {
      await telling.stop();
      await connected.then(
        (found) => found.close(),
        () => undefined,
      );
    },
  });
}

function warnOfOpenNbd({ logger }: Context, { listen, settings }: { listen: Listen; settings: VaultSettings }): void {
  if (!('unixPath' in listen) && !isLoopback(listen.host) && settings.nbdTls?.clientCaFile === undefined) {
    logger.warn(
      { listen: nameOf(listen) },
      'everybody who reaches this address may read and write all volumes: let a firewall or a NetworkPolicy admit those alone who may, or ask for certificates with --nbd-tls-ca',
    );
  }
}

/** With the port that was found where any was asked for. */
function addressOf({ address }: NbdServer): Listen {
  return typeof address === 'string' ? { unixPath: address } : { host: address.address, port: address.port };
}

function nameOf(listen: Listen): string {
  return 'unixPath' in listen ? listen.unixPath : `${listen.host}:${listen.port}`;
}
