import * as fc from 'fast-check';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { FakeWire } from '../../../../test/support/fake-wire.js';
import type { Connection } from '../connections/connection.js';
import { OutboxBudget } from '../connections/outbox-budget.js';
import type { Framing } from '../connections/wire.js';
import { LocalFanout, type SlowPolicy } from './local-fanout.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class CountingFraming implements Framing {
  readonly name = 'counting';
  framed = 0;

  frame(payload: Uint8Array): Buffer {
    this.framed += 1;
    return Buffer.from(payload);
  }

  binary(payload: Uint8Array): Buffer {
    return Buffer.from(payload);
  }
}

interface Member {
  readonly connection: Connection;
  readonly wire: FakeWire;
}

class Channels {
  readonly members = new Map<string, Set<Connection>>();
  slow: SlowPolicy = 'disconnect';
  readonly fanout = new LocalFanout({ target: (channel) => this.#target(channel) });

  join(channel: string, member: Member): Member {
    this.fanout.flush(channel);
    const members = this.members.get(channel) ?? new Set();
    this.members.set(channel, members.add(member.connection));
    return member;
  }

  leave(channel: string, { connection }: Member): void {
    this.fanout.settle(channel, connection);
    this.members.get(channel)?.delete(connection);
  }

  publish(channel: string, text: string): void {
    this.fanout.deliver(channel, Buffer.from(text));
  }

  async settled(): Promise<void> {
    while (this.fanout.busy > 0) await turn();
  }

  #target(channel: string) {
    const members = this.members.get(channel);
    if (members === undefined || members.size === 0) return undefined;
    return { members: () => [...members], count: members.size, slow: this.slow };
  }
}

function crowd(channels: Channels, count: number): Member[] {
  return Array.from({ length: count }, (_, index) => channels.join('room:1', connect(`u${index}`)));
}

describe('a fan-out', () => {
  beforeEach(() => Logger.overrideLogger(false));
  afterEach(() => Logger.overrideLogger(new Logger()));

  it('frames each publication once and joins those of a turn once per framing, in one write per member', async () => {
    const channels = new Channels();
    const framings = [new CountingFraming(), new CountingFraming()];
    const wires = Array.from({ length: 10 }, (_, index) => new FakeWire(Infinity, framings[index % 2]));
    for (const wire of wires) channels.join('room:1', connect('u', { wire }));
    for (const text of ['a', 'b', 'c']) channels.publish('room:1', text);
    await channels.settled();
    expect(framings.map(({ framed }) => framed)).toEqual([3, 3]);
    expect(wires.map(({ text, writes }) => [text, writes.length])).toEqual(wires.map(() => ['abc', 1]));
  });

  it('keeps what it sends to a channel apart from the next one', async () => {
    const channels = new Channels();
    const one = channels.join('room:1', connect('a'));
    const two = channels.join('room:2', connect('b'));
    channels.publish('room:1', '1');
    channels.publish('room:2', '2');
    channels.publish('nobody', '3');
    await channels.settled();
    expect([one.wire.text, two.wire.text]).toEqual(['1', '2']);
  });

  it('joins what several channels have for one member in one turn, in one write', async () => {
    const channels = new Channels();
    const busy = channels.join('room:1', connect('a'));
    const calm = channels.join('room:3', connect('b'));
    channels.join('room:2', busy);
    for (const text of ['1', '2']) channels.publish('room:1', text);
    channels.publish('room:2', '3');
    channels.publish('room:3', '4');
    channels.publish('room:1', '5');
    await channels.settled();
    expect([busy.wire.text, busy.wire.writes.length]).toEqual(['1253', 1]);
    expect([calm.wire.text, calm.wire.writes.length]).toEqual(['4', 1]);
  });

  it('yields to the event loop after 500 members', async () => {
    const channels = new Channels();
    const members = crowd(channels, 1_200);
    channels.publish('room:1', 'x');
    const served: number[] = [];
    while (channels.fanout.busy > 0) {
      await turn();
      served.push(members.filter(({ wire }) => wire.text === 'x').length);
    }
    expect(served.slice(0, 3)).toEqual([500, 1_000, 1_200]);
  });

  it('goes on with what was published meanwhile only when a pass is over, joined', async () => {
    const channels = new Channels();
    const members = crowd(channels, 5_000);
    for (let index = 0; index < 200; index += 1) {
      channels.publish('room:1', 'x');
      await turn();
    }
    await channels.settled();
    const writes = members.map(({ wire }) => wire.writes.length);
    expect(new Set(members.map(({ wire }) => wire.text.length))).toEqual(new Set([200]));
    expect(Math.max(...writes)).toBeLessThan(40);
  });

  it('gives a member that leaves in the middle of a pass everything from before, and nothing after', async () => {
    const channels = new Channels();
    const members = crowd(channels, 1_200);
    channels.publish('room:1', 'a');
    await turn();
    channels.publish('room:1', 'b');
    const last = members.at(-1);
    if (last === undefined) throw new Error('nobody');
    channels.leave('room:1', last);
    expect(last.wire.text).toBe('ab');
    channels.publish('room:1', 'c');
    await channels.settled();
    expect(last.wire.text).toBe('ab');
    expect(new Set(members.slice(0, -1).map(({ wire }) => wire.text))).toEqual(new Set(['abc']));
  });

  it('gives a member that joins in the middle of a pass nothing from before', async () => {
    const channels = new Channels();
    crowd(channels, 1_200);
    channels.publish('room:1', 'a');
    await turn();
    channels.publish('room:1', 'b');
    const newcomer = channels.join('room:1', connect('new'));
    channels.publish('room:1', 'c');
    await channels.settled();
    expect(newcomer.wire.text).toBe('c');
  });

  it('sends nothing to a connection that has closed in the middle of a pass', async () => {
    const channels = new Channels();
    const members = crowd(channels, 600);
    channels.publish('room:1', 'a');
    await turn();
    const last = members.at(-1);
    last?.connection.ended();
    await channels.settled();
    expect(last?.wire.text).toBe('');
  });

  it('is stopped by nobody: a socket that fails is cut, the others get theirs', async () => {
    const channels = new Channels();
    const broken = new (class extends FakeWire {
      override write(): void {
        throw new Error('EPIPE');
      }
    })();
    const before = channels.join('room:1', connect('a'));
    channels.join('room:1', connect('b', { wire: broken }));
    const after = channels.join('room:1', connect('c'));
    channels.publish('room:1', 'x');
    await channels.settled();
    expect([before.wire.text, after.wire.text, broken.destroyed]).toEqual(['x', 'x', true]);
  });

  it('holds nothing once its turns have ended', async () => {
    const channels = new Channels();
    crowd(channels, 1_200);
    for (let index = 0; index < 100; index += 1) channels.publish(`room:${index}`, 'x');
    expect(channels.fanout.busy).toBe(100);
    await channels.settled();
    expect(channels.fanout.busy).toBe(0);
  });
});

describe('a member that is behind', () => {
  const FULL = 64 * 1024;

  function behind(slow: SlowPolicy) {
    const channels = new Channels();
    channels.slow = slow;
    const member = channels.join(
      'room:1',
      connect('slow', {
        wire: new FakeWire(0),
        outbox: { limitBytes: FULL + 100, budget: new OutboxBudget(Infinity, () => 1) },
      }),
    );
    member.connection.sendFramed(Buffer.alloc(FULL, '.'));
    member.connection.sendFramed(Buffer.from('!'));
    return { channels, ...member };
  }

  async function published(slow: SlowPolicy, ...turns: string[][]) {
    const { channels, connection, wire } = behind(slow);
    for (const texts of turns) {
      for (const text of texts) channels.publish('room:1', text);
      await channels.settled();
    }
    wire.drain(Infinity);
    await turn();
    return { connection, text: wire.text.replaceAll('.', '') };
  }

  it('gets everything, up to its limit, where the channel disconnects', async () => {
    expect((await published('disconnect', ['a', 'b'], ['c'])).text).toBe('!abc');
    const { connection } = await published('disconnect', ['x'.repeat(200)]);
    expect(connection.closedWith?.code).toBe(4008);
  });

  it('misses what comes meanwhile where the channel drops', async () => {
    const { text, connection } = await published('drop', ['a'], ['x'.repeat(200)]);
    expect([text, connection.isOpen]).toEqual(['!', true]);
  });

  it('gets the latest only where the channel conflates', async () => {
    expect((await published('conflate', ['a', 'b'], ['c', 'd'])).text).toBe('!d');
  });
});

describe('whatever joins, leaves and is published', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('publish' as const) },
    { weight: 1, arbitrary: fc.constant('join' as const) },
    { weight: 2, arbitrary: fc.constant('turn' as const) },
    { weight: 1, arbitrary: fc.record({ leave: fc.nat() }) },
  );

  it('each member gets exactly what was published while it was one, in order', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(3, 700),
        fc.array(step, { maxLength: 40, size: 'max' }),
        async (size, steps) => {
          const channels = new Channels();
          const present = new Map(crowd(channels, size).map((member) => [member, '']));
          const gone: [Member, string][] = [];
          let published = 0;
          for (const action of steps) {
            if (action === 'turn') await turn();
            else if (action === 'join') present.set(channels.join('room:1', connect('new')), '');
            else if (action === 'publish') {
              const text = String.fromCharCode(97 + ((published += 1) % 26));
              channels.publish('room:1', text);
              for (const [member, sofar] of present) present.set(member, sofar + text);
            } else {
              const leaving = [...present.keys()][action.leave % Math.max(1, present.size)];
              if (leaving === undefined) continue;
              channels.leave('room:1', leaving);
              gone.push([leaving, present.get(leaving) ?? '']);
              present.delete(leaving);
            }
          }
          await channels.settled();
          for (const [member, expected] of [...present, ...gone]) expect(member.wire.text).toBe(expected);
        },
      ),
      { numRuns: 40 },
    ));
});
