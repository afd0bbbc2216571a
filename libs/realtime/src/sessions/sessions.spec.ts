import { CLOSE } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FaultyDirectory, FaultyRegistry, SessionsNode } from '../../../../test/support/session-cluster.js';
import type { SessionEvent } from './session-event.js';
import type { UserLimit } from './session-registry.js';

let directory: FaultyDirectory;
let registry: FaultyRegistry;
let nodes: SessionsNode[];

beforeEach(() => {
  Logger.overrideLogger(false);
  vi.useFakeTimers();
  directory = new FaultyDirectory();
  registry = new FaultyRegistry();
  nodes = [];
});
afterEach(async () => {
  const stopped = Promise.all(nodes.map(({ sessions }) => sessions.stop()));
  await vi.advanceTimersByTimeAsync(20_000);
  await stopped;
  vi.useRealTimers();
  Logger.overrideLogger(new Logger());
});

async function start(name: string, limit?: UserLimit): Promise<SessionsNode> {
  const node = new SessionsNode(name, { directory, registry }, limit);
  nodes.push(node);
  return node.start();
}

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);
/** Long enough that every node looks at the others as it would after an hour. */
const settle = (): Promise<unknown> => pass(20_000);
/** What came and went is in the store. */
const written = (): Promise<unknown> => pass(30);
const told = (): readonly SessionEvent[] => nodes.flatMap(({ events }) => events);
const typesOf = (user: string): readonly string[] =>
  told()
    .filter((event) => event.user === user)
    .map(({ type }) => type);
const idsOf = async (user: string): Promise<readonly string[]> =>
  (await registry.ofUser(user)).connections.map(({ id }) => id);

describe('a connection', () => {
  it('is written behind the connect, with all others of the same moment in one write', async () => {
    const one = await start('one');
    const connections = [one.connect('alice'), one.connect('alice'), one.connect('bob')];
    expect(registry.writes).toEqual([]);
    await written();
    expect(registry.writes.map(({ length }) => length)).toEqual([3]);
    expect(await idsOf('alice')).toEqual(connections.slice(0, 2).map(({ id }) => id));
  });

  it('is known of its own node at once, and of others when it is written', async () => {
    const [one, two] = [await start('one'), await start('two')];
    one.connect('alice');
    expect([await one.sessions.isOnline('alice'), await two.sessions.isOnline('alice')]).toEqual([
      true,
      false,
    ]);
    await written();
    expect(await two.sessions.isOnline('alice')).toBe(true);
    expect(await two.sessions.connectionsOf('alice')).toMatchObject([{ node: 'one' }]);
    expect(await one.sessions.connectionsOf('alice')).toMatchObject([{ node: 'one', channels: [] }]);
  });

  it('is written again where the answer got lost, and told of once', async () => {
    const one = await start('one');
    registry.away = 'after';
    one.end(one.connect('alice'), 1000);
    await pass(1_000);
    registry.away = undefined;
    await pass(40_000);
    expect(new Set(told().map(({ id }) => id.split('.')[1]))).toEqual(
      new Set(['connected', 'online', 'disconnected', 'offline']),
    );
    expect(told()).toHaveLength(4);
  });

  it('that came and went while the store was away is told of when it is back', async () => {
    const one = await start('one');
    registry.away = 'before';
    const connection = one.connect('alice');
    await pass(5_000);
    one.end(connection, 1000);
    await pass(5_000);
    registry.away = undefined;
    await pass(3_000);
    expect(typesOf('alice')).toEqual(['connected', 'online', 'disconnected', 'offline']);
  });

  it('gets its grace from its end on, however late that is written', async () => {
    const one = await start('one');
    const connection = one.connect('alice');
    await written();
    registry.away = 'before';
    one.end(connection);
    await pass(8_000);
    registry.away = undefined;
    await pass(5_000);
    expect(typesOf('alice')).toEqual(['connected', 'online', 'disconnected', 'offline']);
  });
});

describe('a node that is gone', () => {
  async function dead(): Promise<SessionsNode> {
    const one = await start('one');
    await Promise.all(['two', 'three', 'four'].map((name) => start(name)));
    one.connect('alice');
    one.connect('bob');
    await settle();
    directory.awayFor.add('one');
    return one;
  }

  it('is swept by one of the others, each connection told as lost once', async () => {
    await dead();
    await pass(17_000);
    for (const user of ['alice', 'bob'])
      expect(typesOf(user)).toEqual(['connected', 'online', 'disconnected', 'offline']);
    expect(told().filter(({ type }) => type === 'disconnected')).toMatchObject([
      { reason: 'node_lost', node: 'one' },
      { reason: 'node_lost', node: 'one' },
    ]);
    const sweeps = (): number => nodes.reduce((sum, { metrics }) => sum + metrics.sweeps.value, 0);
    expect(sweeps()).toBe(1);
    await pass(70_000);
    expect([told().length, sweeps()]).toEqual([8, 3]);
  });

  it('is not swept before its lease is over by 2 s and was seen dead twice, 3 s apart', async () => {
    await dead();
    await pass(9_900);
    expect(typesOf('alice')).toEqual(['connected', 'online']);
  });

  it('is not swept where it comes back before that', async () => {
    const one = await dead();
    await pass(9_000);
    directory.awayFor.clear();
    await settle();
    expect(one.connections.size).toBe(2);
    expect(told()).toHaveLength(4);
  });

  it('closes everyone with 1001 when it turns out to be alive, tells nothing of them, and goes on anew', async () => {
    const one = await dead();
    const [alice] = [...one.connections.ofUser('alice')];
    await settle();
    expect(told()).toHaveLength(8);
    directory.awayFor.clear();
    await pass(3_100);
    expect(alice?.closedWith).toBe(CLOSE.goingAway);
    expect(one.connections.size).toBe(0);
    await settle();
    expect(told()).toHaveLength(8);
    one.connect('carol');
    await written();
    expect(typesOf('carol')).toEqual(['connected', 'online']);
  });

  it('tells of those who came while it was cut off, when it begins anew', async () => {
    const one = await dead();
    await pass(11_000);
    const late = one.connect('late');
    await pass(9_000);
    directory.awayFor.clear();
    await pass(4_000);
    expect(late.closedWith).toBe(CLOSE.goingAway);
    await pass(40_000);
    expect(typesOf('late')).toEqual(['connected', 'online', 'disconnected', 'offline']);
    expect(told()).toHaveLength(12);
  });

  it('whose last writes come late leaves no ghost: they are refused', async () => {
    const one = await dead();
    await pass(11_000);
    const ghost = one.connect('ghost');
    await pass(20_000);
    expect((await registry.ofUser('ghost')).online).toBe(false);
    expect(ghost.isOpen).toBe(true);
  });
});

describe('a store that is away for all nodes', () => {
  it('lets nobody be swept, though every lease ran out and some nodes are back before others', async () => {
    const [one, two, three] = [await start('one'), await start('two'), await start('three')];
    for (const node of nodes) node.connect(`user-${node.name}`);
    await settle();
    for (const { name } of nodes) directory.awayFor.add(name);
    await pass(60_000);
    directory.awayFor.delete('one');
    await pass(4_000);
    directory.awayFor.delete('two');
    await pass(4_000);
    directory.awayFor.clear();
    await pass(60_000);
    expect([one, two, three].map(({ connections }) => connections.size)).toEqual([1, 1, 1]);
    expect(told().map(({ type }) => type)).not.toContain('disconnected');
  });
});

describe('a store that lost its data', () => {
  it('is written everything anew, at 500 a second at least, and nobody is closed or told of', async () => {
    const one = await start('one');
    for (let index = 0; index < 1_000; index += 1) one.connect(`user-${index}`);
    await settle();
    const before = told().length;
    directory.lostFor.add('one');
    registry.writes.length = 0;
    await vi.waitFor(async () => {
      await pass(100);
      expect(registry.writes.length).toBeGreaterThan(0);
    });
    await pass(2_000);
    const again = registry.writes.flat();
    expect(new Set(again.map((change) => change.user)).size).toBe(1_000);
    expect(again.every((change) => change.type === 'enter' && change.again)).toBe(true);
    expect(Math.max(...registry.writes.map(({ length }) => length))).toBeLessThanOrEqual(100);
    expect([one.connections.size, told().length]).toEqual([1_000, before]);
  });

  it('is told of who ends before being written anew', async () => {
    const one = await start('one');
    for (let index = 0; index < 150; index += 1) one.connect(`user-${index}`);
    const last = one.connect('last');
    await settle();
    await registry.lose('last', last.id);
    registry.writes.length = 0;
    directory.origin = 'second';
    while (registry.writes.length === 0) await pass(10);
    one.end(last, 1000);
    await pass(1_000);
    expect(typesOf('last')).toEqual(['connected', 'online', 'disconnected']);
    await pass(22_000);
    expect(typesOf('last')).toEqual(['connected', 'online', 'disconnected', 'offline']);
  });

  it('is noticed by its origin, and what it brings back of ended connections is cleared', async () => {
    const one = await start('one');
    const stays = one.connect('alice');
    const ghost = one.connect('alice');
    await settle();
    const [entering] = registry.writes.flat().slice(-1);
    one.end(ghost, 1000);
    await pass(100);
    if (entering !== undefined) await registry.bringBack(entering);
    expect(await idsOf('alice')).toEqual([stays.id, ghost.id]);
    directory.origin = 'second';
    await pass(10_000);
    expect(await idsOf('alice')).toEqual([stays.id]);
    expect(stays.isOpen).toBe(true);
    expect((await directory.list()).map(({ node }) => node)).toEqual(['one']);
  });
});

describe('a store that is away for longer than is kept of those who go', () => {
  it('has no ghost afterwards: what was forgotten is cleared, and told as lost', async () => {
    const one = await start('one');
    const [stays, forgotten] = [one.connect('alice'), one.connect('bob')];
    await settle();
    registry.away = 'before';
    one.end(forgotten, 1000);
    for (let index = 0; index < 100_000; index += 1) one.end(one.connect('carol'), 1000);
    expect(one.sessions.unwritten).toBe(100_000);
    registry.away = undefined;
    await pass(60_000);
    expect([await idsOf('alice'), await idsOf('bob')]).toEqual([[stays.id], []]);
    expect(typesOf('alice')).toEqual(['connected', 'online']);
    expect(typesOf('bob')).toEqual(['connected', 'online', 'disconnected', 'offline']);
    expect([stays.isOpen, one.sessions.unwritten]).toEqual([true, 0]);
    expect((await directory.list()).map(({ node }) => node)).toEqual(['one']);
  });
});

describe('a limit per user', () => {
  const limit: UserLimit = { max: 1, overflow: 'refuse' };

  it('leaves no room on another node, and room again once the connection has ended', async () => {
    const [one, two] = [await start('one', limit), await start('two', limit)];
    expect(await one.sessions.places.hasRoom('alice')).toBe(true);
    const connection = one.connect('alice');
    await written();
    const refused = two.sessions.places.hasRoom('alice');
    await pass(300);
    expect(await refused).toBe(false);
    const dryRun = two.sessions.places.hasRoom('alice', { dryRun: true });
    one.end(connection, 1000);
    await pass(300);
    expect([await dryRun, await two.sessions.places.hasRoom('alice')]).toEqual([true, true]);
  });

  it('is nobody’s question while the store is away or slow', async () => {
    const one = await start('one', limit);
    one.connect('alice');
    await written();
    registry.away = 'before';
    expect(await one.sessions.places.hasRoom('alice')).toBe(true);
    vi.spyOn(registry, 'hold').mockReturnValue(new Promise(() => undefined));
    const slow = one.sessions.places.hasRoom('alice');
    await pass(500);
    expect(await slow).toBe(true);
  });

  it('tells which connections a newcomer replaces', async () => {
    const replace: UserLimit = { max: 1, overflow: 'replace' };
    const [one, two] = [await start('one', replace), await start('two', replace)];
    const oldest = one.connect('alice');
    await written();
    two.connect('alice');
    await written();
    expect([two.replaced, one.replaced]).toEqual([[oldest.id], []]);
  });
});

describe('a node that stops', () => {
  it('is gone from the list of nodes, and leaves nothing in the store', async () => {
    const one = await start('one');
    one.end(one.connect('alice'), 1000);
    const stopped = one.sessions.stop();
    await pass(1_000);
    await stopped;
    expect(await directory.list()).toEqual([]);
    expect(await registry.ofUser('alice')).toEqual({ online: false, connections: [] });
    expect(typesOf('alice')).toEqual(['connected', 'online', 'disconnected', 'offline']);
  });

  it('keeps its lease, for others to sweep, where it could not write what it had to', async () => {
    const one = await start('one');
    const connection = one.connect('alice');
    await written();
    registry.away = 'before';
    one.end(connection, 1000);
    const stopped = one.sessions.stop();
    await pass(10_000);
    await stopped;
    registry.away = undefined;
    await start('two');
    await pass(40_000);
    expect(await idsOf('alice')).toEqual([]);
    expect(told().at(-1)).toMatchObject({ type: 'offline', user: 'alice' });
  });
});
