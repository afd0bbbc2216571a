import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SessionEvent } from './session-event.js';
import { SessionEvents } from './session-events.js';

function setUp() {
  const acknowledged: string[] = [];
  const events = new SessionEvents({
    acknowledge: async (told) => void acknowledged.push(...told.map(({ id }) => id)),
  });
  return { events, acknowledged };
}

function online(id: string, user = 'alice'): SessionEvent {
  return { id, user, type: 'online', at: 1 };
}

beforeEach(() => Logger.overrideLogger(false));
afterEach(() => Logger.overrideLogger(new Logger()));

describe('the events of sessions', () => {
  it('are told to every listener and acknowledged afterwards', async () => {
    const { events, acknowledged } = setUp();
    const gate = Promise.withResolvers<void>();
    const told: string[] = [];
    events.on(({ id }) => void told.push(`one ${id}`));
    events.on(async ({ id }) => {
      await gate.promise;
      told.push(`two ${id}`);
    });
    events.tell([online('a')]);
    await vi.waitFor(() => expect(told).toEqual(['one a']));
    expect(acknowledged).toEqual([]);
    gate.resolve();
    await vi.waitFor(() => expect(acknowledged).toEqual(['a']));
    expect(told).toEqual(['one a', 'two a']);
  });

  it('of one user wait for each other, those of others do not', async () => {
    const { events } = setUp();
    const gate = Promise.withResolvers<void>();
    const told: string[] = [];
    events.on(async ({ id }) => {
      told.push(id);
      if (id === 'a1') await gate.promise;
    });
    events.tell([online('a1'), online('a2')]);
    events.tell([online('a3'), online('b', 'bob')]);
    await vi.waitFor(() => expect(told).toEqual(['a1', 'b']));
    gate.resolve();
    await vi.waitFor(() => expect(told).toEqual(['a1', 'b', 'a2', 'a3']));
  });

  it('are not acknowledged where a listener fails, and hold up nothing', async () => {
    const { events, acknowledged } = setUp();
    events.on(({ id }) => {
      if (id === 'bad') throw new Error('listener');
    });
    events.tell([online('bad'), online('good')]);
    await vi.waitFor(() => expect(acknowledged).toEqual(['good']));
  });

  it('are left with the store where nobody listens', async () => {
    const { events, acknowledged } = setUp();
    const stop = events.on(() => undefined);
    expect(events.listening).toBe(true);
    stop();
    expect(events.listening).toBe(false);
    events.tell([online('a')]);
    await events.close(1_000);
    expect(acknowledged).toEqual([]);
  });

  it('are bounded: what does not fit is left with the store', async () => {
    const { events, acknowledged } = setUp();
    let count = 0;
    events.on(() => void (count += 1));
    events.tell(Array.from({ length: 10_100 }, (_, index) => online(`${index}`, `user-${index % 300}`)));
    await vi.waitFor(() => expect(acknowledged).toHaveLength(10_000));
    expect(count).toBe(10_000);
    events.tell([online('more')]);
    await vi.waitFor(() => expect(acknowledged).toContain('more'));
  });

  it('are told to the end when the node stops, or left to others after the deadline', async () => {
    const { events, acknowledged } = setUp();
    events.on(({ id }) => (id === 'hangs' ? new Promise(() => undefined) : undefined));
    events.tell([online('a'), online('hangs'), online('behind'), online('b', 'bob')]);
    await events.close(50);
    expect(acknowledged.toSorted((a, b) => a.localeCompare(b))).toEqual(['a', 'b']);
  });
});
