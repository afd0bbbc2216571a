import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { describeRevocationLog } from '../testing/revocation-log.contract.js';
import { RedisRevocationLog } from './redis-revocation-log.js';
import { RedisStoreConnection } from './redis-store-connection.js';

describeRevocationLog(
  'redis',
  async () => {
    const connection = new RedisStoreConnection({ url: inject('redisUrl') });
    await connection.open();
    const prefix = `spec-${randomUUID()}:`;
    return {
      node: () => new RedisRevocationLog(connection.client, { prefix }),
      close: () => connection.close(),
    };
  },
  { shared: true },
);
