import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe } from 'vitest';
import { type RedisCluster, startRedisCluster } from '../../../../test/support/redis-cluster.js';
import { CONTRACT_LINGER_MS, describeBackplane } from '../testing/contracts/backplane.contract.js';
import { describeFailureCounter } from '../testing/contracts/failure-counter.contract.js';
import { describeHistory } from '../testing/contracts/history.contract.js';
import { describeNodeDirectory } from '../testing/contracts/node-directory.contract.js';
import { describePresenceStore } from '../testing/contracts/presence-store.contract.js';
import { describeRevocationLog } from '../testing/contracts/revocation-log.contract.js';
import {
  CONTRACT_CLAIM_MS,
  describeSessionRegistry,
} from '../testing/contracts/session-registry.contract.js';
import { describeTicketStore } from '../testing/contracts/ticket-store.contract.js';
import { RedisBackplane } from './redis-backplane.js';
import { primariesOf } from './redis-client.js';
import { RedisFailureCounter } from './redis-failure-counter.js';
import { RedisHistory } from './redis-history.js';
import { RedisNodeDirectory } from './redis-node-directory.js';
import { RedisPresenceStore } from './redis-presence-store.js';
import { RedisRevocationLog } from './redis-revocation-log.js';
import { RedisSessionRegistry } from './redis-session-registry.js';
import { RedisStoreConnection } from './redis-store-connection.js';
import { RedisTicketStore } from './redis-ticket-store.js';

let cluster: RedisCluster;
beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.stop());

function freshPrefix(): string {
  return `spec-${randomUUID()}:`;
}

async function openStores(): Promise<RedisStoreConnection> {
  const stores = new RedisStoreConnection({ url: cluster.url });
  await stores.open();
  return stores;
}

async function timeOf({ client }: RedisStoreConnection): Promise<number> {
  const [seconds = 0, micros = 0] = (await primariesOf(client)[0]?.time()) ?? [];
  return seconds * 1_000 + Math.floor(micros / 1_000);
}

describeBackplane('redis cluster', async () => {
  const options = { source: { url: cluster.url }, prefix: freshPrefix(), lingerMs: CONTRACT_LINGER_MS };
  return { node: () => new RedisBackplane(options), close: async () => undefined };
});

describeHistory('redis cluster', async () => {
  const options = { source: { url: cluster.url }, prefix: freshPrefix() };
  return {
    node: () => ({ history: new RedisHistory(options), backplane: new RedisBackplane(options) }),
    close: async () => undefined,
  };
});

describeTicketStore('Redis Cluster', async () => {
  const stores = await openStores();
  return { store: new RedisTicketStore(stores.client, freshPrefix()), close: () => stores.close() };
});

describe('on a cluster', () => {
  let stores: RedisStoreConnection;
  beforeAll(async () => {
    stores = await openStores();
  });
  afterAll(() => stores.close());
  describeFailureCounter('Redis Cluster', async () => new RedisFailureCounter(stores.client, freshPrefix()));
});

describeNodeDirectory('redis cluster', async () => {
  const stores = await openStores();
  return { directory: new RedisNodeDirectory(stores.client, freshPrefix()), close: () => stores.close() };
});

describeRevocationLog(
  'redis cluster',
  async () => {
    const stores = await openStores();
    const prefix = freshPrefix();
    return { node: () => new RedisRevocationLog(stores.client, { prefix }), close: () => stores.close() };
  },
  { shared: true },
);

describeSessionRegistry('redis cluster', async () => {
  const stores = await openStores();
  const options = { prefix: freshPrefix(), claimMs: CONTRACT_CLAIM_MS };
  return {
    registry: new RedisSessionRegistry(stores.client, options),
    now: () => timeOf(stores),
    close: () => stores.close(),
  };
});

describePresenceStore('redis cluster', async () => {
  const stores = await openStores();
  const prefix = freshPrefix();
  return {
    store: new RedisPresenceStore(stores.client, prefix),
    backplane: new RedisBackplane({ source: { url: cluster.url }, prefix }),
    now: () => timeOf(stores),
    close: () => stores.close(),
  };
});
