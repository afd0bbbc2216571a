import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionEvent } from '@aerie/realtime';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { REDIS_KINDS, type RedisKind, type TestRedis } from '../support/redis-kinds.js';
import { ONLINE, SessionFleet, SOON, STORY } from '../support/session-fleet.js';
import type { SessionNode } from '../support/session-node.js';

// `npm run test:faults` has every case on every kind of Redis, with the lease of production.
const IS_FULL = process.env['AERIE_FAULTS'] === 'full';
const LEASE_MS = IS_FULL ? 10_000 : 2_000;
// Nobody is given up because a grace is over: who is swept has none, whoever clears a ghost neither.
const ENV = { GRACE_MS: '600000' };
const TIMES = { timeout: 90_000 + 12 * LEASE_MS };

interface Setting {
  readonly redis: TestRedis;
  readonly fleet: SessionFleet;
}

describe.concurrent('who is connected, and who is in a channel,', () => {
  const all = IS_FULL ? (Object.keys(REDIS_KINDS) as RedisKind[]) : (['one Redis'] as const);
  describe.each(all)('on %s', (kind) => {
    const given = onEach(kind, 3);
    it.sequential('goes on after a pause that nobody took for a death', TIMES, () => pausesShortly(given()));
    it.sequential('is over where a node stood still until it was swept', TIMES, () => standsStill(given()));
    it.sequential('is over once where a node was killed', TIMES, () => isKilled(given()));
    it.sequential('leaves nothing behind', TIMES, () => given().fleet.leavesNothing(expect));
  });

  describe.each(all)('outlives, on %s, a Redis that', (kind) => {
    const given = onEach(kind, 2);
    it.sequential('stands still for longer than a lease', TIMES, () => outlastsPause(given()));
    it.sequential('loses its data', TIMES, () => outlastsLoss(given()));
    it.sequential('has the data of some nodes again', TIMES, () => outlastsLossByHalves(given()));
    it.sequential('is replaced by one that lacks the latest', TIMES, () => outlastsFailover(given()));
    it.sequential('is used no more', TIMES, () => given().fleet.leavesNothing(expect));
  });

  describe('after a failover that lost some changes, and in which as many others came,', () => {
    const given = onEach('one Redis', 2);
    it.sequential('is seen as it is', TIMES, () => outlastsOtherChanges(given()));
    it.sequential('leaves nothing behind', TIMES, () => given().fleet.leavesNothing(expect));
  });

  if (!IS_FULL)
    describe.each(['a Redis Cluster', 'Redis behind Sentinel'] as const)('on %s', (kind) => {
      const given = onEach(kind, 3);
      it.sequential('is over once where a node was killed', TIMES, () => isKilled(given()));
      it.sequential('outlives a failover that lost the latest', TIMES, () => outlastsFailover(given()));
      it.sequential('leaves nothing behind', TIMES, () => given().fleet.leavesNothing(expect));
    });
});

/** So many nodes on a Redis of that kind, for all cases of a suite. */
function onEach(kind: RedisKind, nodes: number): () => Setting {
  let setting: Setting | undefined;
  beforeAll(async () => {
    const redis = await REDIS_KINDS[kind]();
    const fleet = new SessionFleet(redis, LEASE_MS);
    setting = { redis, fleet };
    await fleet.start(nodes, ENV);
  }, 120_000);
  afterAll(() => setting?.fleet.close());
  return () => {
    if (setting === undefined) throw new Error('the fleet has not started');
    return setting;
  };
}

async function pausesShortly({ fleet }: Setting): Promise<void> {
  const room = 'room:pause';
  const [first, second] = [fleet.node('one'), fleet.node('two')];
  const ann = await fleet.enter(first, 'ann-1', room);
  await isOn(second, 'ann-1', ['one']);
  first.pause();
  ann.send('note', 'early');
  await second.api('publish', { channel: room, event: 'news', data: 1 });
  await sleep(LEASE_MS * 0.75);
  first.resume();
  expect(await ann.frame('news')).toMatchObject({ channel: room, data: 1 });
  expect(await ann.request('note', 'later')).toMatchObject({ data: true });
  await vi.waitFor(() => expect(first.notes).toEqual(['early', 'later']), SOON);
  await vi.waitFor(() => expect(first.log).toContain('stood still'), SOON);
  expect(ann.socket.readyState).toBe(ann.socket.OPEN);
  expect(fleet.typesOf('ann-1')).toEqual(ONLINE);
  await ann.close();
}

async function standsStill({ fleet }: Setting): Promise<void> {
  const room = 'room:stall';
  const [first, second] = [fleet.node('one'), fleet.node('two')];
  const ann = await fleet.enter(first, 'ann-2', room);
  const [here, there] = [
    await fleet.watch(first, 'here', { room }),
    await fleet.watch(second, 'there', { room }),
  ];
  const all = ['ann-2', 'here', 'there'];
  await vi.waitFor(() => expect([here.users, there.users]).toEqual([all, all]), SOON);
  await isOn(second, 'ann-2', ['one']);
  first.pause();
  ann.send('note', 'sent while it stood still');
  await vi.waitFor(() => expect(fleet.typesOf('ann-2')).toEqual(STORY), fleet.swept);
  await vi.waitFor(() => expect(there.users).toEqual(['there']), SOON);
  await second.api('publish', { channel: room, event: 'late' });
  first.resume();

  expect(await ann.closed).toMatchObject({ code: 1001 });
  expect(ann.received.map(({ event }) => event)).not.toContain('late');
  const both = ['here', 'there'];
  await vi.waitFor(() => expect([here.users, there.users]).toEqual([both, both]), fleet.swept);
  expect(all.map((user) => there.leaves(user))).toEqual([1, 1, 0]);
  expect(all.map((user) => here.leaves(user))).toEqual([1, 0, 0]);
  expect([await first.membersOf(room), await second.membersOf(room)]).toEqual([both, both]);
  const back = await first.connect('ann-2');
  expect(await back.request('note', 'after')).toMatchObject({ data: true });
  expect(first.notes).not.toContain('sent while it stood still');
  await isOn(second, 'ann-2', ['one']);
  await vi.waitFor(() => expect(fleet.typesOf('ann-2')).toEqual([...STORY, ...ONLINE]), SOON);
  expect(fleet.eventsOf('ann-2')[2]).toMatchObject({ node: 'one', reason: 'node_lost', code: 1006 });
  for (const watcher of [here, there]) watcher.close();
  await back.close();
}

async function isKilled({ fleet }: Setting): Promise<void> {
  const room = 'room:kill';
  const [first, second, third] = [fleet.node('one'), fleet.node('two'), fleet.node('three')];
  const crowd = Array.from({ length: 20 }, (_, index) => `user-${index}`);
  await Promise.all([...crowd, ...crowd].map((user) => first.connect(user)));
  const members = ['bea', 'bob', 'eve', 'joe'];
  await Promise.all(members.map((user) => fleet.enter(first, user, room)));
  const joe = await fleet.watch(second, 'joe', { room });
  const stays = await second.connect('user-0');
  await isOn(third, 'user-0', ['one', 'one', 'two']);
  for (const user of crowd.slice(1)) await isOn(third, user, ['one', 'one']);
  await vi.waitFor(() => expect(joe.users).toEqual(members), SOON);
  const killedAt = Date.now();
  await first.kill();

  const all = new Set([...crowd, ...members]);
  const told = (type: SessionEvent['type']): readonly SessionEvent[] =>
    [...second.events, ...third.events].filter((event) => event.type === type && all.has(event.user));
  await vi.waitFor(() => expect(told('disconnected')).toHaveLength(44), fleet.swept);
  expect(Date.now() - killedAt).toBeGreaterThan(LEASE_MS);
  for (const event of told('disconnected'))
    expect(event).toMatchObject({ node: 'one', reason: 'node_lost', code: 1006 });
  await vi.waitFor(() => expect(told('offline')).toHaveLength(22), SOON);
  await vi.waitFor(() => expect(joe.users).toEqual(['joe']), SOON);
  expect(members.map((user) => joe.leaves(user))).toEqual([1, 1, 1, 0]);
  expect(await third.membersOf(room)).toEqual(['joe']);
  expect(await third.nodesOf('user-0')).toEqual(['two']);
  expect([await third.isOnline('user-0'), await third.isOnline('user-1')]).toEqual([true, false]);

  // The next sweep of the same node finds nothing more.
  await vi.waitFor(() => expect(Date.now() - killedAt).toBeGreaterThan(3 * LEASE_MS), fleet.swept);
  expect([told('disconnected').length, told('offline').length]).toEqual([44, 22]);
  expect(stays.socket.readyState).toBe(stays.socket.OPEN);
  joe.close();
}

async function outlastsPause({ redis, fleet }: Setting): Promise<void> {
  const room = 'room:redis';
  const [first, second] = [fleet.node('one'), fleet.node('two')];
  const [ann, ben] = [await fleet.enter(first, 'ann', room), await fleet.enter(second, 'ben', room)];
  const joe = await fleet.watch(second, 'joe', { room });
  await isOn(second, 'ann', ['one']);
  await isOn(first, 'ben', ['two']);
  await vi.waitFor(() => expect(joe.users).toEqual(['ann', 'ben', 'joe']), SOON);
  redis.pause();
  await sleep(1.5 * LEASE_MS);
  redis.resume();
  const late = await first.connect('late');
  await isOn(second, 'late', ['one'], fleet.swept);
  // Longer than it takes from there to sweep a node that is dead.
  await sleep(2 * LEASE_MS);
  await isOn(second, 'ann', ['one']);
  await isOn(first, 'ben', ['two']);
  for (const { socket } of [ann, ben, late]) expect(socket.readyState).toBe(socket.OPEN);
  expect(['ann', 'ben'].map((user) => fleet.typesOf(user))).toEqual([ONLINE, ONLINE]);
  expect(joe.users).toEqual(['ann', 'ben', 'joe']);
  expect(joe.told.filter((line) => line.startsWith('-'))).toEqual([]);
  expect(first.log + second.log).not.toMatch(/taken for dead|stood still/);
  joe.close();
  await Promise.all([ann, ben, late].map((client) => client.close()));
}

async function outlastsLoss({ redis, fleet }: Setting): Promise<void> {
  const room = 'room:loss';
  const [first, second] = [fleet.node('one'), fleet.node('two')];
  const [cat, dan] = [await fleet.enter(first, 'cat', room), await fleet.enter(second, 'dan', room)];
  const bob = await fleet.enter(first, 'bob', room);
  const [here, there] = [
    await fleet.watch(first, 'here', { room }),
    await fleet.watch(second, 'there', { room }),
  ];
  const all = ['bob', 'cat', 'dan', 'here', 'there'];
  await vi.waitFor(() => expect([here.users, there.users]).toEqual([all, all]), SOON);
  // It is forgotten that bob may still come back.
  bob.socket.terminate();
  await isOn(second, 'bob', []);
  await vi.waitFor(async () => expect(await first.metric('aerie_presence_unwritten')).toBe(0), SOON);
  expect(await second.membersOf(room)).toEqual(all);
  await redis.empty();

  const present = ['cat', 'dan', 'here', 'there'];
  for (const node of [first, second])
    await vi.waitFor(async () => expect(await node.membersOf(room)).toEqual(present), fleet.swept);
  await vi.waitFor(() => expect([here.users, there.users]).toEqual([present, present]), fleet.swept);
  // Nobody seems to leave who is there.
  for (const watcher of [here, there])
    expect(all.map((user) => watcher.leaves(user))).toEqual([1, 0, 0, 0, 0]);
  await isOn(second, 'cat', ['one']);
  await isOn(first, 'dan', ['two']);
  await here.unsubscribe();
  await vi.waitFor(() => expect(there.users).toEqual(['cat', 'dan', 'there']), SOON);
  await cat.close();
  await vi.waitFor(() => expect(fleet.typesOf('cat')).toEqual(STORY), SOON);
  await isOn(second, 'cat', []);
  await vi.waitFor(() => expect(there.users).toEqual(['dan', 'there']), SOON);
  expect(dan.socket.readyState).toBe(dan.socket.OPEN);
  expect(fleet.typesOf('dan')).toEqual(ONLINE);
  for (const watcher of [here, there]) watcher.close();
  await dan.close();
}

async function outlastsLossByHalves({ redis, fleet }: Setting): Promise<void> {
  const room = 'room:halves';
  const [first, second] = [fleet.node('one'), fleet.node('two')];
  const [here, there] = [await fleet.enter(first, 'pam', room), await fleet.enter(second, 'pam', room)];
  const wes = await fleet.watch(first, 'wes', { room });
  await vi.waitFor(() => expect(wes.users).toEqual(['pam', 'wes']), SOON);
  await isOn(first, 'pam', ['one', 'two']);
  await isOn(second, 'pam', ['one', 'two']);
  second.pause();
  await redis.empty();
  await vi.waitFor(async () => expect(await redis.keys('*}:user:pam')).not.toEqual([]), fleet.swept);
  await vi.waitFor(async () => expect(await first.membersOf(room)).toEqual(['pam', 'wes']), fleet.swept);
  await here.close();
  await vi.waitFor(() => expect(fleet.typesOf('pam')).toContain('disconnected'), SOON);
  second.resume();
  await isOn(first, 'pam', ['two'], fleet.swept);
  await vi.waitFor(async () => expect(await first.membersOf(room)).toEqual(['pam', 'wes']), fleet.swept);
  expect(fleet.typesOf('pam')).not.toContain('offline');
  expect(wes.leaves('pam')).toBe(0);
  await there.close();
  await vi.waitFor(() => expect(fleet.typesOf('pam')).toContain('offline'), fleet.swept);
  await vi.waitFor(() => expect(wes.users).toEqual(['wes']), fleet.swept);
  wes.close();
}

async function outlastsFailover({ redis, fleet }: Setting): Promise<void> {
  const room = await roomThatIsLost(redis);
  const [first, second] = [
    fleet.node('two'),
    fleet.nodes.find(({ name, isAlive }) => isAlive && name !== 'two'),
  ];
  if (second === undefined) throw new Error('two nodes must be there');
  const names = Array.from({ length: 12 }, (_, index) => `ghost-${index}`);
  const ghosts = await Promise.all(names.map((user) => fleet.enter(first, user, room)));
  const max = await fleet.enter(first, 'max', room);
  const zoe = await fleet.watch(second, 'zoe', { room });
  await vi.waitFor(() => expect(zoe.users).toHaveLength(14), SOON);
  for (const user of [...names, 'max']) await isOn(second, user, [first.name]);
  await redis.cutReplication();
  await Promise.all(ghosts.map((client) => client.close()));
  for (const user of names) await vi.waitFor(() => expect(fleet.typesOf(user)).toEqual(STORY), SOON);
  await vi.waitFor(() => expect(zoe.users).toEqual(['max', 'zoe']), SOON);
  await redis.failOver();

  expect(await redis.keys('*}:user:ghost-*')).not.toEqual([]);
  await vi.waitFor(async () => expect(await second.membersOf(room)).toEqual(['max', 'zoe']), fleet.swept);
  for (const user of names) await isOn(second, user, [], fleet.swept);
  await isOn(second, 'max', [first.name], fleet.swept);
  expect(await Promise.all(names.map((user) => second.isOnline(user)))).toEqual(names.map(() => false));
  await vi.waitFor(() => expect(zoe.users).toEqual(['max', 'zoe']), fleet.swept);
  expect(max.socket.readyState).toBe(max.socket.OPEN);
  expect(fleet.typesOf('max')).toEqual(ONLINE);
  for (const user of names) expect(fleet.typesOf(user)).toEqual(STORY);
  expect(zoe.leaves('max') + zoe.leaves('zoe')).toBe(0);
  expect(first.log + second.log).not.toContain('taken for dead');
  zoe.close();
  await max.close();
}

async function outlastsOtherChanges({ redis, fleet }: Setting): Promise<void> {
  const [first, second] = [fleet.node('one'), fleet.node('two')];
  const rooms = Array.from({ length: 8 }, (_, index) => `room:other-${index}`);
  const enterAll = (user: string) => Promise.all(rooms.map((room) => fleet.enter(first, user, room)));
  const here = await enterAll('ida');
  const watchers = await Promise.all(rooms.map((room) => fleet.watch(second, 'zoe', { room })));
  const see = (users: readonly string[]) =>
    vi.waitFor(
      () => expect(watchers.map((watcher) => watcher.users)).toEqual(rooms.map(() => users)),
      fleet.swept,
    );
  await see(['ida', 'zoe']);
  // What was told already is not to be told again after the failover.
  await vi.waitFor(async () => expect(await redis.keys('*}:events')).toEqual([]), SOON);
  await redis.cutReplication();
  const lost = await enterAll('lou');
  await see(['ida', 'lou', 'zoe']);
  await Promise.all(lost.map((client) => client.close()));
  await see(['ida', 'zoe']);

  const replaced = redis.failOver();
  const [ann = [], bob = []] = await Promise.all(['ann', 'bob'].map(enterAll));
  await replaced;
  await see(['ann', 'bob', 'ida', 'zoe']);
  for (const watcher of watchers) watcher.close();
  await Promise.all([...here, ...ann, ...bob].map((client) => client.close()));
}

function isOn(node: SessionNode, user: string, nodes: readonly string[], within = SOON): Promise<void> {
  return vi.waitFor(async () => expect(await node.nodesOf(user)).toEqual(nodes), within);
}

/** Whose presence is where a failover takes the latest. */
async function roomThatIsLost(redis: TestRedis): Promise<string> {
  for (let n = 1; n < 100; n += 1)
    if (await redis.isLost(`aerie:1:{room:${n}}:presence:users`)) return `room:${n}`;
  throw new Error('no room is where the leases are');
}
