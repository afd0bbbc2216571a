import * as fc from 'fast-check';
import { CLOSE } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { SessionExpiry } from './session-expiry.js';

const END = { code: 1006, reason: '' };
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function setUp() {
  const registry = new ConnectionRegistry();
  const expiry = new SessionExpiry(registry);
  const enter = (livesMs?: number): Connection => {
    const session = {
      user: 'alice',
      claims: {},
      ...(livesMs !== undefined && { expiresAt: Date.now() + livesMs }),
    };
    const { connection } = connect('alice', { session });
    registry.add(connection);
    return connection;
  };
  return { registry, expiry, enter };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the expiry of sessions', () => {
  it('closes with 4401 in the second after the end, and never before it', () =>
    fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 5_000 }),
        fc.integer({ min: 1, max: 5_000 }),
        async (offsetMs, livesMs) => {
          await pass(offsetMs);
          const { enter, expiry } = setUp();
          const connection = enter(livesMs);
          await pass(livesMs - 1);
          expect(connection.isOpen).toBe(true);
          await pass(1_001 + 1_000);
          expect(connection.closedWith).toBe(CLOSE.sessionEnded);
          connection.ended();
          expiry.close();
          expect(vi.getTimerCount()).toBe(0);
        },
      ),
      { numRuns: 50 },
    ));

  it('leaves a session without an end alone, and needs no timer for it', async () => {
    const { enter } = setUp();
    const connection = enter();
    expect(vi.getTimerCount()).toBe(0);
    await pass(3_600_000);
    expect(connection.isOpen).toBe(true);
  });

  it('goes by the renewed session', async () => {
    const { enter, expiry } = setUp();
    const connection = enter(5_000);
    connection.renew({ user: 'alice', claims: {}, expiresAt: Date.now() + 60_000 });
    expiry.watch(connection);
    await pass(59_000);
    expect(connection.isOpen).toBe(true);
    await pass(3_000);
    expect(connection.isOpen).toBe(false);
  });

  it('ends a session that is over already within two seconds', async () => {
    const { enter } = setUp();
    await pass(10_000);
    const connection = enter(-5_000);
    await pass(2_000);
    expect(connection.isOpen).toBe(false);
  });

  it('survives a clock that jumps', async () => {
    const { enter } = setUp();
    const connection = enter(3_600_000);
    vi.setSystemTime(Date.now() + 7_200_000);
    await pass(1_000);
    expect(connection.isOpen).toBe(false);
  });

  it('forgets who has left, and stops its timer after the last one', async () => {
    const { enter, registry } = setUp();
    const connection = enter(60_000);
    registry.remove(connection, END);
    await pass(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('watches nobody who ended before the renewal did', async () => {
    const { enter, registry, expiry } = setUp();
    const connection = enter(60_000);
    connection.ended();
    registry.remove(connection, END);
    connection.renew({ user: 'alice', claims: {}, expiresAt: Date.now() + 3_600_000 });
    expiry.watch(connection);
    await pass(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
