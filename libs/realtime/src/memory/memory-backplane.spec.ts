import { describe, expect, it, vi } from 'vitest';
import { describeBackplane } from '../testing/contracts/backplane.contract.js';
import { MemoryBackplane } from './memory-backplane.js';
import { MemoryHub } from './memory-hub.js';
import { RecentKeys } from './recent-keys.js';

describeBackplane('memory', async () => {
  const hub = new MemoryHub();
  return { node: () => new MemoryBackplane(hub), close: async () => undefined };
});

describe('the keys that a hub remembers', () => {
  it('are known for their life, counted from the first time', () => {
    vi.useFakeTimers();
    try {
      const keys = new RecentKeys({ lifeMs: 300_000, maxKeys: 10 });
      keys.add('a', undefined);
      vi.advanceTimersByTime(299_999);
      expect(keys.get('a')).toBeDefined();
      vi.advanceTimersByTime(1);
      expect(keys.get('a')).toBeUndefined();
      expect(keys.size).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('are bounded: the oldest is forgotten first', () => {
    const keys = new RecentKeys({ lifeMs: 300_000, maxKeys: 3 });
    for (const key of ['a', 'b', 'c', 'd']) keys.add(key, undefined);
    expect(keys.size).toBe(3);
    expect(keys.get('b')).toBeDefined();
    expect(keys.get('a')).toBeUndefined();
  });
});
