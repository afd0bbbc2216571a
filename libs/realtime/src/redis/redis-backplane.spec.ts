import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import { CONTRACT_LINGER_MS, describeBackplane } from '../testing/contracts/backplane.contract.js';
import { RedisBackplane } from './redis-backplane.js';

describeBackplane('redis', async () => {
  const prefix = `spec-${randomUUID()}:`;
  const admin = new Redis(inject('redisUrl'));
  return {
    node: () =>
      new RedisBackplane({ source: { url: inject('redisUrl') }, prefix, lingerMs: CONTRACT_LINGER_MS }),
    subscribeCommands: async () => {
      const stats = await admin.info('commandstats');
      return Number(/cmdstat_subscribe:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    },
    close: async () => {
      await admin.quit();
    },
  };
});
