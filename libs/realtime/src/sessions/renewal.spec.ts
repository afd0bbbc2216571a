import { CLOSE, SYSTEM } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { SlowBackplane } from '../../../../test/support/slow-backplane.js';
import { ChannelAccess } from '../channels/channel-access.js';
import { ChannelRules } from '../channels/channel-rules.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import type { Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import { SystemHandlers } from '../messages/message-handlers.js';
import { LocalFanout } from '../publishing/local-fanout.js';
import { NodeChannels } from '../publishing/node-channels.js';
import { Renewal } from './renewal.js';
import { SessionExpiry } from './session-expiry.js';

type Verdict = boolean | Refusal | Error;

function setUp() {
  const registry = new ConnectionRegistry();
  const rules = new ChannelRules();
  const verdict = { of: (session: Session): Verdict => session.claims['rooms'] === true };
  rules.add({
    pattern: 'room:{id}',
    maySubscribe: ({ session }) => {
      const answer = verdict.of(session);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    mayPublish: () => false,
  });
  const channels = new NodeChannels({
    registry,
    backplane: new SlowBackplane(),
    fanout: new LocalFanout({ target: () => undefined }),
  });
  const expiry = new SessionExpiry(registry);
  const handlers = new SystemHandlers();
  const updated: Connection[] = [];
  const answers: (Session | Refusal | Promise<Session | Refusal>)[] = [];
  new Renewal({
    authenticate: async () => answers.shift() ?? new Refusal('unauthenticated', 'no'),
    access: new ChannelAccess(rules),
    channels,
    expiry,
    sessions: { update: (renewed) => void updated.push(renewed) },
  }).register(handlers);
  const { connection, wire } = connect('alice', { session: { user: 'alice', claims: { rooms: true } } });
  registry.add(connection);
  const renew = async (answer: Session | Refusal | Promise<Session | Refusal>): Promise<unknown> => {
    answers.push(answer);
    return handlers.get(SYSTEM.auth)?.(connection, { event: SYSTEM.auth });
  };
  const joined = Promise.all([channels.join(connection, 'room:1'), vi.advanceTimersByTimeAsync(0)]);
  return { registry, connection, wire, renew, verdict, joined, updated };
}

const session = (claims: Session['claims'], expiresAt?: number): Session => ({
  user: 'alice',
  claims,
  ...(expiresAt !== undefined && { expiresAt }),
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('$auth on a live session', () => {
  it('brings a new expiry and new claims', async () => {
    const { renew, connection, joined, updated } = setUp();
    await joined;
    const expiresAt = Date.now() + 3_000;
    await expect(renew(session({ rooms: true, role: 'admin' }, expiresAt))).resolves.toEqual({ expiresAt });
    expect(connection.session.claims['role']).toBe('admin');
    expect(updated).toEqual([connection]);
    expect([...connection.channels]).toEqual(['room:1']);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(connection.closedWith).toBe(CLOSE.sessionEnded);
  });

  it('that fails leaves the old session as it was', async () => {
    const { renew, connection } = setUp();
    await expect(renew(new Refusal('unauthenticated', 'no'))).resolves.toBeInstanceOf(Refusal);
    expect([connection.isOpen, connection.session.claims['rooms']]).toEqual([true, true]);
  });

  it('ends the connection with 1008 after ten failures in a row', async () => {
    const { renew, connection } = setUp();
    const wrong = new Refusal('unauthenticated', 'no');
    for (let count = 1; count < 10; count += 1) await renew(wrong);
    expect(connection.isOpen).toBe(true);
    await renew(session({ rooms: true }));
    for (let count = 1; count < 10; count += 1) await renew(wrong);
    expect(connection.isOpen).toBe(true);
    await renew(wrong);
    expect(connection.closedWith).toBe(CLOSE.policy);
  });

  it('does not count what is not its fault: an authenticator that is away', async () => {
    const { renew, connection } = setUp();
    for (let count = 0; count < 20; count += 1) await renew(new Refusal('unavailable', 'later'));
    expect(connection.isOpen).toBe(true);
  });

  it('of another user ends the connection with 1008', async () => {
    const { renew, connection } = setUp();
    await renew({ user: 'bob', claims: {} });
    expect(connection.closedWith).toBe(CLOSE.policy);
    expect(connection.session.user).toBe('alice');
  });

  it('with weaker claims leaves the channels that these no longer allow, and says so', async () => {
    const { renew, connection, wire, joined } = setUp();
    await joined;
    await renew(session({}));
    expect(connection.channels.size).toBe(0);
    expect(wire.frames).toEqual([
      { event: SYSTEM.unsubscribed, data: { channel: 'room:1', reason: 'forbidden' } },
    ]);
  });

  it.each([new Error('rule failed'), new Refusal('unavailable', 'hook away')])(
    'takes nothing away where a rule cannot answer now: %s',
    async (answer) => {
      const { renew, connection, verdict, joined } = setUp();
      await joined;
      verdict.of = () => answer;
      await renew(session({}));
      expect([...connection.channels]).toEqual(['room:1']);
    },
  );

  it('runs one at a time', async () => {
    const { renew, connection } = setUp();
    const { promise, resolve } = Promise.withResolvers<Session>();
    const first = renew(promise);
    await expect(renew(session({}))).resolves.toMatchObject({ code: 'conflict' });
    resolve(session({ first: true }));
    await first;
    expect(connection.session.claims).toEqual({ first: true });
    await expect(renew(session({ second: true }))).resolves.toEqual({ expiresAt: null });
  });

  it('that ends after its connection did leaves nothing to wait for', async () => {
    const { renew, connection, registry, joined } = setUp();
    await joined;
    const { promise, resolve } = Promise.withResolvers<Session>();
    const renewed = renew(promise);
    connection.ended();
    registry.remove(connection, { code: 1006, reason: '' });
    resolve(session({}, Date.now() + 3_600_000));
    await renewed;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(vi.getTimerCount()).toBe(0);
  });
});
