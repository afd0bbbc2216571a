import * as fc from 'fast-check';
import { CLOSE } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeWire } from '../../../../test/support/fake-wire.js';
import { Connection } from './connection.js';
import { ConnectionRegistry } from './connection-registry.js';
import { OutboxBudget } from './outbox-budget.js';

let names = 0;

function connectionOf(user: string, wire = new FakeWire(), budget = new OutboxBudget(Infinity, () => 0)) {
  return new Connection({
    id: `c${(names += 1)}`,
    wire,
    session: { user, claims: {} },
    address: '192.0.2.1',
    outbox: { limitBytes: 200_000, budget },
  });
}

function fail(): never {
  throw new Error('listener');
}

const END = { code: 1006, reason: '' };

describe('the registry', () => {
  it('finds a connection by id, user and channel until it is removed', () => {
    const registry = new ConnectionRegistry();
    const connection = connectionOf('alice');
    registry.add(connection);
    expect(registry.join(connection, 'room:1')).toBe(true);
    expect(registry.get(connection.id)).toBe(connection);
    expect([...registry.ofUser('alice')]).toEqual([connection]);
    expect([...registry.inChannel('room:1')]).toEqual([connection]);
    registry.remove(connection, END);
    expect(registry.get(connection.id)).toBeUndefined();
    expect([registry.size, registry.users, registry.channels, registry.subscriptions]).toEqual([0, 0, 0, 0]);
    expect([...registry.ofUser('alice'), ...registry.inChannel('room:1')]).toEqual([]);
  });

  it('takes nobody twice, and removes nobody twice', () => {
    const registry = new ConnectionRegistry();
    const removed = vi.fn();
    registry.onRemoved(removed);
    const connection = connectionOf('alice');
    registry.add(connection);
    expect(() => registry.add(connection)).toThrow('already registered');
    expect(registry.remove(connection, END)).toBe(true);
    expect(registry.remove(connection, END)).toBe(false);
    expect(removed).toHaveBeenCalledExactlyOnceWith(connection, END);
  });

  it('lets nobody into a channel who is not registered, or is in it', () => {
    const registry = new ConnectionRegistry();
    const connection = connectionOf('alice');
    expect(registry.join(connection, 'room:1')).toBe(false);
    registry.add(connection);
    expect([registry.join(connection, 'room:1'), registry.join(connection, 'room:1')]).toEqual([true, false]);
    expect([registry.leave(connection, 'room:1'), registry.leave(connection, 'room:1')]).toEqual([
      true,
      false,
    ]);
  });

  it('tells of each channel that a removed connection was in', () => {
    const registry = new ConnectionRegistry();
    const left: string[] = [];
    registry.onLeft((_connection, channel) => left.push(channel));
    const connection = connectionOf('alice');
    registry.add(connection);
    for (const channel of ['a', 'b', 'c']) registry.join(connection, channel);
    registry.leave(connection, 'b');
    registry.remove(connection, END);
    expect(left).toEqual(['b', 'a', 'c']);
  });

  it('stops telling whoever no longer wants to hear', () => {
    const registry = new ConnectionRegistry();
    const heard = vi.fn();
    const stops = [registry.onAdded(heard), registry.onRemoved(heard), registry.onLeft(heard)];
    for (const stop of stops) stop();
    const connection = connectionOf('alice');
    registry.add(connection);
    registry.join(connection, 'a');
    registry.remove(connection, END);
    expect(heard).not.toHaveBeenCalled();
  });

  describe('with a listener that throws', () => {
    beforeEach(() => Logger.overrideLogger(false));
    afterEach(() => Logger.overrideLogger(new Logger()));

    it('tells the others all the same: the caller is a socket event, where a throw ends the process', () => {
      const registry = new ConnectionRegistry();
      const heard: string[] = [];
      registry.onAdded(fail);
      registry.onRemoved(fail);
      registry.onLeft(fail);
      registry.onAdded(() => heard.push('added'));
      registry.onRemoved(() => heard.push('removed'));
      registry.onLeft(() => heard.push('left'));
      const connection = connectionOf('alice');
      registry.add(connection);
      registry.join(connection, 'a');
      registry.remove(connection, END);
      expect(heard).toEqual(['added', 'left', 'removed']);
      expect([registry.size, registry.subscriptions]).toEqual([0, 0]);
    });
  });
});

const USERS = ['alice', 'bob', 'carol'];
const CHANNELS = ['room:1', 'room:2', 'room:3', 'news'];

/** What is really open, kept without the registry. */
interface Model {
  readonly open: Map<Connection, Set<string>>;
}

/** A node in small: what the transport does with a connection, over a fake wire. */
class Node {
  readonly registry = new ConnectionRegistry();
  readonly budget = new OutboxBudget(Infinity, () => this.registry.size);
  readonly model: Model = { open: new Map() };
  readonly all: Connection[] = [];
  readonly #wires = new Map<Connection, FakeWire>();

  open(user: string, room: number): void {
    const wire = new FakeWire(room);
    const connection = connectionOf(user, wire, this.budget);
    const gone = (code: number): void => {
      if (!this.#wires.delete(connection)) return;
      this.model.open.delete(connection);
      wire.destroyed = true;
      connection.ended();
      this.registry.remove(connection, { code, reason: '' });
    };
    wire.onDestroy = () => gone(1006);
    wire.onGoodbye = () => gone(1000);
    this.#wires.set(connection, wire);
    this.registry.add(connection);
    this.model.open.set(connection, new Set());
    this.all.push(connection);
  }

  subscribe(connection: Connection, channel: string): void {
    if (this.registry.join(connection, channel)) this.model.open.get(connection)?.add(channel);
  }

  unsubscribe(connection: Connection, channel: string): void {
    this.registry.leave(connection, channel);
    this.model.open.get(connection)?.delete(channel);
  }

  drain(connection: Connection, bytes: number): void {
    this.#wires.get(connection)?.drain(bytes);
  }
}

function expectAgreement({ registry, model: { open } }: Node): void {
  expect(new Set(registry.all())).toEqual(new Set(open.keys()));
  expect(registry.size).toBe(open.size);
  expect(registry.users).toBe(new Set([...open.keys()].map(({ session }) => session.user)).size);
  expect(registry.channels).toBe(new Set([...open.values()].flatMap((channels) => [...channels])).size);
  expect(registry.subscriptions).toBe([...open.values()].reduce((sum, { size }) => sum + size, 0));
  for (const user of USERS)
    expect(new Set(registry.ofUser(user))).toEqual(
      new Set([...open.keys()].filter(({ session }) => session.user === user)),
    );
  for (const channel of CHANNELS)
    expect(new Set(registry.inChannel(channel))).toEqual(
      new Set([...open].filter(([, channels]) => channels.has(channel)).map(([connection]) => connection)),
    );
  for (const [connection, channels] of open) expect(new Set(connection.channels)).toEqual(channels);
}

const someone = fc.nat();
const channel = fc.constantFrom(...CHANNELS);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ open: fc.constantFrom(...USERS), room: fc.nat({ max: 100_000 }) }) },
  { weight: 4, arbitrary: fc.record({ subscribe: someone, channel }) },
  { weight: 2, arbitrary: fc.record({ unsubscribe: someone, channel }) },
  { weight: 1, arbitrary: fc.record({ drop: someone }) },
  { weight: 1, arbitrary: fc.record({ kill: someone, close: fc.constantFrom(...Object.values(CLOSE)) }) },
  { weight: 1, arbitrary: fc.record({ goodbye: someone }) },
  { weight: 2, arbitrary: fc.record({ send: someone, bytes: fc.nat({ max: 150_000 }) }) },
  { weight: 1, arbitrary: fc.record({ drain: someone, bytes: fc.nat({ max: 150_000 }) }) },
  { weight: 1, arbitrary: fc.record({ waitMs: fc.nat({ max: 6_000 }) }) },
);

describe('after any sequence of opens, drops, kills, goodbyes, floods, subscribes and unsubscribes', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('the registry equals the set of open sockets, and everything is zero at the end', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
        const node = new Node();
        const pick = (index: number): Connection | undefined =>
          node.all[index % Math.max(1, node.all.length)];
        for (const action of steps) {
          await take(action, node, pick);
          expectAgreement(node);
        }
        for (const connection of node.all) connection.close(CLOSE.goingAway);
        await vi.advanceTimersByTimeAsync(5_000);
        expectAgreement(node);
        expect(node.registry.size).toBe(0);
        expect([node.budget.bytes, vi.getTimerCount()]).toEqual([0, 0]);
      }),
      { numRuns: 150 },
    ));
});

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

async function take(
  action: Step,
  node: Node,
  pick: (index: number) => Connection | undefined,
): Promise<void> {
  if ('open' in action) return node.open(action.open, action.room);
  if ('waitMs' in action) {
    await vi.advanceTimersByTimeAsync(action.waitMs);
    return;
  }
  const [index] = Object.values(action);
  const connection = typeof index === 'number' ? pick(index) : undefined;
  if (connection === undefined) return;
  if ('subscribe' in action) node.subscribe(connection, action.channel);
  else if ('unsubscribe' in action) node.unsubscribe(connection, action.channel);
  else if ('drop' in action) connection.destroy();
  else if ('kill' in action) connection.close(action.close);
  else if ('goodbye' in action) connection.peerCloses(1000);
  else if ('send' in action) connection.sendFramed(Buffer.alloc(action.bytes));
  else if ('drain' in action) node.drain(connection, action.bytes);
}
