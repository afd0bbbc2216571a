import { describe, expect, it } from 'vitest';
import { startRedisCluster } from './redis-cluster.js';

describe('a Redis Cluster for tests', () => {
  it('moves slots with what is in them, and survives the loss of a master', { timeout: 60_000 }, async () => {
    const cluster = await startRedisCluster({ replicas: true });
    try {
      const from = await cluster.ownerOf('key');
      await from.admin.set('key', 'value');
      const to = cluster.masters.find((master) => master !== from) ?? from;
      await cluster.moveSlots(['key'], to);
      expect(await cluster.ownerOf('key')).toBe(to);
      expect(await to.admin.get('key')).toBe('value');
      await to.admin.wait(1, 1_000);
      await cluster.cutReplication(to);
      await to.admin.set('key', 'a newer one');
      await cluster.failOver(to);
      const heir = await cluster.ownerOf('key');
      expect(cluster.replicas).toContain(heir);
      expect(await heir.admin.get('key')).toBe('value');
    } finally {
      await cluster.stop();
    }
  });
});
