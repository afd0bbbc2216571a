import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeTicketStore } from '../testing/contracts/ticket-store.contract.js';
import { MemoryTicketStore } from './memory-ticket-store.js';

const session = { user: 'alice', claims: {} };

describeTicketStore('memory', async () => ({ store: new MemoryTicketStore(), close: async () => undefined }));

afterEach(() => vi.useRealTimers());

describe('a memory ticket store that is full', () => {
  it('refuses until the oldest expire, and takes nothing from anybody', async () => {
    vi.useFakeTimers();
    const store = new MemoryTicketStore();
    await store.put('first', session, 50);
    for (let index = 1; index < 100_000; index += 1) await store.put(`${index}`, session, 60_000);
    await expect(store.put('more', session, 60_000)).rejects.toThrow('too many tickets');
    expect(await store.peek('first')).toEqual(session);
    vi.advanceTimersByTime(50);
    await store.put('more', session, 60_000);
    expect(await store.take('more')).toEqual(session);
    expect(await store.take('1')).toEqual(session);
  });
});
