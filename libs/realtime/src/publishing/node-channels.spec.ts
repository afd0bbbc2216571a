import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { SlowBackplane } from '../../../../test/support/slow-backplane.js';
import type { Connection } from '../connections/connection.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { BackplaneUnavailable } from './backplane.js';
import { LocalFanout } from './local-fanout.js';
import { NodeChannels } from './node-channels.js';

const END = { code: 1006, reason: '' };

function setUp() {
  const registry = new ConnectionRegistry();
  const backplane = new SlowBackplane();
  const fanout = new LocalFanout({
    target: (channel) => {
      const members = registry.inChannel(channel);
      return { members: () => members.toArray(), count: members.size, slow: 'disconnect' };
    },
  });
  const channels = new NodeChannels({ registry, backplane, fanout });
  const enter = (user = 'alice') => {
    const member = connect(user);
    registry.add(member.connection);
    return member;
  };
  const publish = (text: string): void => fanout.deliver('room:1', Buffer.from(text));
  return { registry, backplane, fanout, channels, enter, publish };
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the channels of a node', () => {
  it('take one subscription of the backplane, however many members', async () => {
    const { channels, enter, backplane, registry } = setUp();
    const members = [enter(), enter(), enter()];
    const joined = Promise.all(members.map(({ connection }) => channels.join(connection, 'room:1')));
    await pass(0);
    await expect(joined).resolves.toEqual([true, true, true]);
    expect(backplane.calls).toEqual(['+room:1']);
    for (const { connection } of members) channels.leave(connection, 'room:1');
    expect(backplane.calls).toEqual(['+room:1', '-room:1']);
    expect(registry.channels).toBe(0);
  });

  it('let nobody in before the backplane listens', async () => {
    const { channels, enter, backplane, registry } = setUp();
    backplane.latencyMs = () => 300;
    const { connection } = enter();
    const joined = channels.join(connection, 'room:1');
    await pass(299);
    expect(registry.inChannel('room:1').size).toBe(0);
    await pass(1);
    await expect(joined).resolves.toBe(true);
    expect([...registry.inChannel('room:1')]).toEqual([connection]);
  });

  it('reply before the first publication, and after everything that was published before', async () => {
    const { channels, enter, publish } = setUp();
    const first = enter();
    await Promise.all([channels.join(first.connection, 'room:1'), pass(0)]);
    publish('a');
    const second = enter();
    await Promise.all([
      channels.join(second.connection, 'room:1', {
        before: () => second.connection.sendPayload('[reply]'),
      }),
      pass(0),
    ]);
    publish('b');
    await pass(1);
    expect([first.wire.text, second.wire.text]).toEqual(['ab', '[reply]b']);
  });

  it('give a leaving member what was published before, and nothing after', async () => {
    const { channels, enter, publish } = setUp();
    const { connection, wire } = enter();
    await Promise.all([channels.join(connection, 'room:1'), pass(0)]);
    publish('a');
    expect(channels.leave(connection, 'room:1')).toBe(true);
    connection.sendPayload('[reply]');
    publish('b');
    await pass(1);
    expect(wire.text).toBe('a[reply]');
    expect(channels.leave(connection, 'room:1')).toBe(false);
  });

  it('let who is there already join again, between two publications and without effect', async () => {
    const { channels, enter, publish, registry, backplane } = setUp();
    const { connection, wire } = enter();
    const before = (): void => connection.sendPayload('[reply]');
    await Promise.all([channels.join(connection, 'room:1', { before }), pass(0)]);
    publish('a');
    const again = channels.join(connection, 'room:1', { before });
    await pass(0);
    await expect(again).resolves.toBe(true);
    publish('b');
    await pass(1);
    expect(wire.text).toBe('[reply]a[reply]b');
    channels.leave(connection, 'room:1');
    expect([registry.channels, backplane.hears.size]).toEqual([0, 0]);
  });

  it('let nobody in whose preparation failed, or who went away meanwhile', async () => {
    const { channels, enter, registry, backplane } = setUp();
    backplane.latencyMs = () => 100;
    const { connection } = enter();
    const failing = channels.join(connection, 'room:1', { prepare: () => Promise.reject(new Error('no')) });
    const refused = expect(failing).rejects.toThrow('no');
    await pass(100);
    await refused;
    const late = channels.join(connection, 'room:2');
    connection.ended();
    registry.remove(connection, END);
    await pass(100);
    await expect(late).resolves.toBe(false);
    expect([registry.channels, backplane.hears.size]).toEqual([0, 0]);
  });

  it('stop listening when the last member is gone, whatever ended it', async () => {
    const { channels, enter, registry, backplane } = setUp();
    const { connection } = enter();
    await Promise.all([channels.join(connection, 'room:1'), pass(0)]);
    registry.remove(connection, END);
    expect(backplane.hears.size).toBe(0);
  });
});

describe('with the backplane away', () => {
  it('a join is refused and leaves nothing behind', async () => {
    const { channels, enter, registry, backplane } = setUp();
    backplane.away = true;
    const { connection } = enter();
    const refused = expect(channels.join(connection, 'room:1')).rejects.toThrow(BackplaneUnavailable);
    await pass(0);
    await refused;
    expect([registry.channels, vi.getTimerCount()]).toEqual([0, 0]);
    backplane.away = false;
    const joined = channels.join(connection, 'room:1');
    await pass(0);
    await expect(joined).resolves.toBe(true);
  });

  it('a channel that the server gives is joined now, and heard once the backplane is back, tried ever less often', async () => {
    const { channels, enter, registry, backplane } = setUp();
    backplane.away = true;
    const { connection } = enter();
    await Promise.all([channels.joinAnyway(connection, 'user:alice', () => undefined), pass(0)]);
    expect(registry.inChannel('user:alice').size).toBe(1);
    await pass(60_000);
    const tries = backplane.calls.length;
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(40);
    backplane.away = false;
    await pass(5_000);
    expect([...backplane.hears]).toEqual(['user:alice']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('nobody tries again for a channel whose last member is gone', async () => {
    const { channels, enter, registry, backplane } = setUp();
    backplane.away = true;
    const { connection } = enter();
    await Promise.all([channels.joinAnyway(connection, 'user:alice', () => undefined), pass(0)]);
    registry.remove(connection, END);
    const calls = backplane.calls.length;
    await pass(60_000);
    expect([backplane.calls.length, vi.getTimerCount()]).toEqual([calls, 0]);
  });

  it('one channel is tried by one, also where its members came and went during a try', async () => {
    const { channels, enter, registry, backplane } = setUp();
    backplane.away = true;
    const first = enter();
    await Promise.all([channels.joinAnyway(first.connection, 'user:alice', () => undefined), pass(0)]);
    backplane.latencyMs = () => 400;
    await pass(300);
    expect(backplane.calls.filter((call) => call.startsWith('+')).length).toBe(2);
    registry.remove(first.connection, END);
    backplane.latencyMs = () => 0;
    const second = enter();
    await Promise.all([channels.joinAnyway(second.connection, 'user:alice', () => undefined), pass(0)]);
    await pass(60_000);
    const perMinute = backplane.calls.length;
    expect(perMinute).toBeLessThan(30);
    channels.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('an internal channel is heard as soon as the backplane is back', async () => {
    const { channels, backplane } = setUp();
    backplane.away = true;
    await Promise.all([channels.listen('$control'), pass(0)]);
    backplane.away = false;
    await pass(1_000);
    expect([...backplane.hears]).toEqual(['$control']);
  });

  it('a closed node tries nothing more, also where a try was under way', async () => {
    const { channels, enter, backplane } = setUp();
    backplane.away = true;
    backplane.latencyMs = () => 1_000;
    const { connection } = enter();
    const joining = channels.joinAnyway(connection, 'user:alice', () => undefined);
    channels.close();
    await pass(1_000);
    await joining;
    expect(vi.getTimerCount()).toBe(0);
    await pass(60_000);
    expect(backplane.calls).toEqual(['+user:alice']);
  });
});

describe('whoever joins, leaves and goes, however slow the backplane', () => {
  const channel = fc.constantFrom('a', 'b');
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ join: fc.nat({ max: 3 }), channel }) },
    { weight: 2, arbitrary: fc.record({ given: fc.nat({ max: 3 }), channel }) },
    { weight: 2, arbitrary: fc.record({ leave: fc.nat({ max: 3 }), channel }) },
    { weight: 1, arbitrary: fc.record({ end: fc.nat({ max: 3 }) }) },
    { weight: 3, arbitrary: fc.record({ waitMs: fc.nat({ max: 60 }) }) },
    { weight: 1, arbitrary: fc.record({ away: fc.boolean() }) },
  );

  it('the node listens to a channel exactly while somebody is in it', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 10 }),
        fc.array(step, { maxLength: 40, size: 'max' }),
        async (latencies, steps) => {
          const { channels, enter, registry, backplane } = setUp();
          let asked = 0;
          backplane.latencyMs = () => latencies[(asked += 1) % latencies.length] ?? 0;
          const people: Connection[] = Array.from({ length: 4 }, (_, index) => enter(`u${index}`).connection);
          const replace = (index: number): void => {
            const old = people[index];
            old?.ended();
            if (old !== undefined) registry.remove(old, END);
            people[index] = enter(`u${index}`).connection;
          };
          const pending: Promise<unknown>[] = [];
          for (const action of steps) {
            if ('waitMs' in action) await pass(action.waitMs);
            else if ('away' in action) backplane.away = action.away;
            else if ('end' in action) replace(action.end);
            else if ('join' in action)
              pending.push(channels.join(personAt(action.join), action.channel).catch(() => false));
            else if ('given' in action)
              pending.push(channels.joinAnyway(personAt(action.given), action.channel, () => undefined));
            else channels.leave(personAt(action.leave), action.channel);
          }
          backplane.away = false;
          await pass(20_000);
          await Promise.all(pending);
          const populated = ['a', 'b'].filter((name) => registry.inChannel(name).size > 0);
          expect([...backplane.hears].toSorted()).toEqual(populated);
          expect(vi.getTimerCount()).toBe(0);
          for (const person of people) registry.remove(person, END);
          expect([backplane.hears.size, registry.subscriptions]).toEqual([0, 0]);

          function personAt(index: number): Connection {
            const person = people[index];
            if (person === undefined) throw new Error('nobody');
            return person;
          }
        },
      ),
      { numRuns: 200 },
    ));
});
