import { CLOSE, SYSTEM } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { SlowBackplane } from '../../../../test/support/slow-backplane.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { MemoryRevocationLog } from '../memory/memory-revocation-log.js';
import { RealtimeMetrics } from '../metrics/meter.js';
import { LocalFanout } from '../publishing/local-fanout.js';
import { NodeChannels } from '../publishing/node-channels.js';
import { Publisher } from '../publishing/publisher.js';
import { Control } from './control.js';

function setUp() {
  const registry = new ConnectionRegistry();
  const backplane = new SlowBackplane();
  const revocations = new MemoryRevocationLog();
  const channels = new NodeChannels({
    registry,
    backplane,
    fanout: new LocalFanout({ target: () => undefined }),
  });
  const publisher = new Publisher(backplane, new RealtimeMetrics());
  const control = new Control({ registry, publisher, channels, revocations });
  const enter = (user: string, session: object = {}) => {
    const member = connect(user, { session: { user, claims: {}, ...session } });
    registry.add(member.connection);
    return member;
  };
  /** What was announced arrives, here as on every other node. */
  const arrive = (): void => {
    for (const { frame } of backplane.announced.splice(0)) control.receive(frame);
  };
  return { control, enter, arrive, backplane, channels, revocations };
}

beforeEach(() => Logger.overrideLogger(false));
afterEach(() => Logger.overrideLogger(new Logger()));

describe('a command to every node', () => {
  it.each([
    [false, CLOSE.disconnected],
    [true, CLOSE.sessionEnded],
  ])(
    "closes all of a user's connections and nobody else's; may it come back: %s",
    async (reconnect, close) => {
      const { control, enter, arrive } = setUp();
      const [one, two, other] = [enter('alice'), enter('alice'), enter('bob')];
      await expect(control.disconnect('alice', reconnect)).resolves.toEqual({ ok: true });
      arrive();
      expect([one.connection.closedWith, two.connection.closedWith, other.connection.closedWith]).toEqual([
        close,
        close,
        undefined,
      ]);
    },
  );

  it("does not take a user's own channel away, whoever asks", async () => {
    const { control, backplane } = setUp();
    await expect(control.unsubscribe('alice', 'user:alice')).resolves.toMatchObject({
      ok: false,
      error: { code: 'invalid' },
    });
    expect(backplane.announced).toEqual([]);
  });

  it('takes a user out of a channel and says so, where it was in it', async () => {
    const { control, enter, arrive, channels } = setUp();
    const [inside, outside] = [enter('alice'), enter('alice')];
    await channels.join(inside.connection, 'room:1');
    await control.unsubscribe('alice', 'room:1');
    arrive();
    expect(inside.connection.channels.size).toBe(0);
    expect(inside.wire.frames).toEqual([
      { event: SYSTEM.unsubscribed, data: { channel: 'room:1', reason: 'removed' } },
    ]);
    expect(outside.wire.frames).toEqual([]);
  });

  it('is a value where the backplane does not answer', async () => {
    const { control, backplane } = setUp();
    backplane.away = true;
    await expect(control.disconnect('alice', false)).resolves.toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    });
  });

  it.each(['', '{', '{"command":"reboot"}', '{"command":"disconnect","user":"","reconnect":true}', '[]'])(
    'that nobody understands does nothing: %j',
    (frame) => {
      const { control, enter } = setUp();
      const { connection } = enter('alice');
      control.receive(Buffer.from(frame));
      expect(connection.isOpen).toBe(true);
    },
  );
});

describe('a revocation', () => {
  it('stands although the hint to the others was lost', async () => {
    const { control, backplane, revocations } = setUp();
    backplane.away = true;
    await expect(control.revoke({ user: 'alice' })).resolves.toEqual({ ok: true });
    expect(revocations.covers({ user: 'alice', claims: {} })).toBe(true);
  });

  it('is a value where the log is away', async () => {
    const { control, revocations } = setUp();
    revocations.add = () => Promise.reject(new Error('away'));
    await expect(control.revoke({ user: 'alice' })).resolves.toMatchObject({
      ok: false,
      error: { code: 'unavailable' },
    });
  });

  it.each([
    [{ jti: 'a' }, ['a']],
    [{ user: 'alice' }, ['a', 'b']],
    [{ user: 'alice', issuedBefore: 2_000 }, ['a']],
    [{ issuedBefore: 2_000 }, ['a', 'c']],
    [{}, []],
  ])('%j closes the live sessions that it names with 4401', (revocation, expected) => {
    const { control, enter } = setUp();
    const sessions = {
      a: enter('alice', { jti: 'a', issuedAt: 1_000 }),
      b: enter('alice', { jti: 'b', issuedAt: 3_000 }),
      c: enter('bob', { jti: 'c', issuedAt: 1_000 }),
    };
    control.applyRevocation(revocation);
    const closed = Object.entries(sessions).filter(([, { connection }]) => !connection.isOpen);
    expect(closed.map(([name]) => name)).toEqual(expected);
    for (const [, { connection }] of closed) expect(connection.closedWith).toBe(CLOSE.sessionEnded);
  });
});
