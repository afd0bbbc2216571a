import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeHistory } from '../testing/contracts/history.contract.js';
import { MemoryBackplane } from './memory-backplane.js';
import { MemoryHistory } from './memory-history.js';
import { MemoryHub } from './memory-hub.js';

describeHistory('memory', async () => {
  const hub = new MemoryHub();
  const history = new MemoryHistory(hub);
  return { node: () => ({ history, backplane: new MemoryBackplane(hub) }), close: async () => undefined };
});

const limits = { size: 10, ttlMs: 60_000 };

describe('histories in memory', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  async function append(history: MemoryHistory, channel: string, bytes = 1): Promise<void> {
    await history.append({
      channel,
      frame: Buffer.alloc(bytes),
      idempotencyKey: crypto.randomUUID(),
      limits,
    });
  }

  it('outlive their last entry by an hour, and are forgotten then', async () => {
    const history = new MemoryHistory();
    await append(history, 'room:1');
    const { epoch } = await history.position({ channel: 'room:1', limits });
    vi.setSystemTime(Date.now() + limits.ttlMs + 3_599_000);
    expect(await history.position({ channel: 'room:1', limits })).toEqual({ epoch, offset: 1 });
    vi.setSystemTime(Date.now() + limits.ttlMs + 3_601_000);
    const later = await history.position({ channel: 'room:1', limits });
    expect(later.offset).toBe(0);
    expect(later.epoch).not.toBe(epoch);
  });

  it('of channels that nobody appended to are forgotten after ten minutes', async () => {
    const history = new MemoryHistory();
    const { epoch } = await history.position({ channel: 'room:1', limits });
    vi.setSystemTime(Date.now() + 601_000);
    expect((await history.position({ channel: 'room:1', limits })).epoch).not.toBe(epoch);
  });

  it('are bounded in bytes: the one that was used longest ago begins anew', async () => {
    const history = new MemoryHistory(new MemoryHub(), 10_000);
    await append(history, 'room:1', 4_000);
    await append(history, 'room:2', 4_000);
    const old = await history.position({ channel: 'room:1', limits });
    await append(history, 'room:3', 4_000);
    expect(await history.position({ channel: 'room:1', limits })).toEqual(old);
    expect((await history.position({ channel: 'room:2', limits })).offset).toBe(0);
  });
});
