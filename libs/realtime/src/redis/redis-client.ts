import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { targetOfUrl } from './redis-url.js';

/** A client of one Redis (also one found by Sentinel), or of a cluster. */
export type RedisClient = Redis | Cluster;

/** A URL, or the application's own client, which is only ever duplicated and stays open. */
export type RedisSource = { readonly url: string } | { readonly client: RedisClient };

/** By the name of the method that runs it; where the number of keys differs, that is the method's first argument. */
export type Scripts = Readonly<Record<string, { readonly lua: string; readonly numberOfKeys?: number }>>;

type OwnOptions = Omit<RedisOptions, 'scripts'> & {
  replyMapping: 'legacy';
  scripts?: Scripts | undefined;
};

export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster;
}

export function isClusterSource(source: RedisSource): boolean {
  return 'client' in source ? isCluster(source.client) : targetOfUrl(source.url).nodes !== undefined;
}

/** Every Redis that has data of its own: the masters of a cluster, or the one. */
export function primariesOf(client: RedisClient): readonly Redis[] {
  return isCluster(client) ? client.nodes('master') : [client];
}

/** Calls back whenever a connection to some Redis behind the client was established. Returns how to end that. */
export function onEachConnection(client: RedisClient, listener: () => void): () => void {
  if (!isCluster(client)) {
    client.on('ready', listener);
    return () => client.off('ready', listener);
  }
  const watch = (node: Redis): void => void node.on('ready', listener);
  client.nodes().forEach(watch);
  client.on('+node', watch);
  return () => {
    client.off('+node', watch);
    for (const node of client.nodes()) node.off('ready', listener);
  };
}

/** A client of our own: whatever changes behaviour is in `own`, as a duplicated client may have any options. */
export function createClient(source: RedisSource, own: OwnOptions): RedisClient {
  if ('client' in source) {
    const { client } = source;
    return isCluster(client) ? client.duplicate([], clusterOptions(own)) : client.duplicate(own);
  }
  const { nodes, options } = targetOfUrl(source.url);
  if (nodes === undefined) return new Redis({ ...options, ...own });
  return new Cluster([...nodes], clusterOptions({ ...options, ...own, scripts: own.scripts }));
}

/** A command is sent again only where a node said that it did not run it: MOVED, ASK, TRYAGAIN. */
function clusterOptions(own: OwnOptions): ClusterOptions & { redisOptions: { replyMapping: 'legacy' } } {
  const { retryStrategy, enableOfflineQueue = false, readOnly: _, scripts, ...redisOptions } = own;
  return {
    redisOptions,
    lazyConnect: true,
    keyPrefix: '',
    enableOfflineQueue,
    enableReadyCheck: true,
    enableAutoPipelining: false,
    shardedSubscribers: false,
    scaleReads: 'master',
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: own.commandTimeout,
    // By ClusterUpkeep: ioredis' own timer may outlive the client.
    slotsRefreshInterval: 0,
    // A node that is away is found again by whoever needs it.
    clusterNodeRetryStrategy: () => null,
    clusterRetryStrategy: retryStrategy,
    scripts,
  };
}
