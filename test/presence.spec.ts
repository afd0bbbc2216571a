import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { ConnectionRegistry, RealtimeService } from '@aerie/realtime';
import type { TestClient } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { API_KEY } from './support/gateway.js';
import type { NestApp } from './support/nest-app.js';
import { startPresenceApp } from './support/presence-apps.js';

const SOON = { timeout: 5_000, interval: 20 };

interface Set {
  readonly version: number;
  readonly members: readonly { readonly user: string }[];
  readonly more?: boolean;
}

/** Subscribes and asks for presence. */
async function watch(client: TestClient, channel: string): Promise<Set> {
  const { data } = await client.request('$subscribe', { channel, presence: true });
  return (data as { presence: Set }).presence;
}

function usersOf({ members }: Set): readonly string[] {
  return members.map(({ user }) => user).toSorted();
}

/** Who came and went, as a client was told, in order. */
function story({ received }: TestClient): readonly string[] {
  return received
    .filter(({ event }) => event === '$join' || event === '$leave')
    .map(({ event, data }) => `${event} ${(data as { user: string }).user}`);
}

function resets({ received }: TestClient): number {
  return received.filter(({ event }) => event === '$presence').length;
}

describe.each(['memory', 'redis'] as const)('the presence of channels in %s', (driver) => {
  let app: NestApp;
  let other: NestApp;
  let rooms = 0;
  const newRoom = (): string => `room:${(rooms += 1)}`;
  const membersOf = async (room: string): Promise<readonly string[]> => {
    const outcome = await other.get(RealtimeService).channel(room).presence();
    if (!outcome.ok) throw new Error(outcome.error.message);
    return outcome.members.map(({ user, connections }) => `${user} ${connections}`);
  };

  beforeAll(async () => {
    const prefix = `spec-${randomUUID()}:`;
    const options = driver === 'redis' ? { redisUrl: inject('redisUrl'), prefix } : {};
    app = await startPresenceApp(options);
    other = driver === 'redis' ? await startPresenceApp(options) : app;
  });
  afterAll(async () => {
    await app.close();
    if (other !== app) await other.close();
  });

  it('is told to who asks: the set with the reply, then each change, on every node', async () => {
    const room = newRoom();
    const bob = await other.connect('bob');
    await bob.request('$subscribe', { channel: room });
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual(['bob 1']), SOON);
    const ann = await app.connect('ann');
    const set = await watch(ann, room);
    expect(usersOf(set)).toEqual(['ann', 'bob']);
    await vi.waitFor(() => expect(story(ann)).toEqual(['$join ann']), SOON);
    const eve = await other.connect('eve');
    expect(usersOf(await watch(eve, room))).toEqual(['ann', 'bob', 'eve']);
    await bob.request('$unsubscribe', { channel: room });
    const left = await ann.frame('$leave');
    expect(left.data).toEqual({
      channel: room,
      user: 'bob',
      version: expect.any(Number) as number,
      at: expect.any(Number) as number,
    });
    await vi.waitFor(() => expect(story(eve)).toEqual(['$join eve', '$leave bob']), SOON);
    const versions = ann.received
      .filter(({ event }) => event === '$join' || event === '$leave')
      .map(({ data }) => (data as Set).version);
    expect(versions).toEqual([1, 2, 3].map((step) => (versions[0] ?? 0) - 1 + step));
    expect(story(bob)).toEqual([]);
  });

  it('counts several devices of a user once', async () => {
    const room = newRoom();
    const ann = await app.connect('ann');
    await watch(ann, room);
    await vi.waitFor(() => expect(story(ann)).toEqual(['$join ann']), SOON);
    const [phone, laptop] = [await app.connect('bob'), await other.connect('bob')];
    await phone.request('$subscribe', { channel: room });
    await laptop.request('$subscribe', { channel: room });
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual(['ann 1', 'bob 2']), SOON);
    await phone.close();
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual(['ann 1', 'bob 1']), SOON);
    await laptop.close();
    await vi.waitFor(() => expect(story(ann)).toEqual(['$join ann', '$join bob', '$leave bob']), SOON);
  });

  it('waits for who was lost, and takes who is back in time for uninterrupted', async () => {
    const room = newRoom();
    const ann = await app.connect('ann');
    await watch(ann, room);
    await vi.waitFor(() => expect(story(ann)).toEqual(['$join ann']), SOON);
    const bob = await other.connect('bob');
    await bob.request('$subscribe', { channel: room });
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual(['ann 1', 'bob 1']), SOON);
    bob.socket.terminate();
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual(['ann 1', 'bob 0']), SOON);
    const again = await app.connect('bob');
    await again.request('$subscribe', { channel: room });
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual(['ann 1', 'bob 1']), SOON);
    again.socket.terminate();
    await vi.waitFor(() => expect(story(ann)).toEqual(['$join ann', '$join bob', '$leave bob']), SOON);
  });

  it('is given in pages of at most 1,000, by $presence, by the service and over HTTP', async () => {
    const room = newRoom();
    const users = ['ann', 'bob', 'eve', 'joe', 'sue'];
    const clients = await Promise.all(users.map((user) => other.connect(user)));
    for (const client of clients) await client.request('$subscribe', { channel: room });
    await vi.waitFor(async () => expect(await membersOf(room)).toHaveLength(5), SOON);
    const guest = await app.connect('guest');
    const page = await guest.request('$presence', { channel: room, after: 'ann', limit: 3 });
    expect(page.data).toEqual({
      channel: room,
      version: expect.any(Number) as number,
      members: [{ user: 'bob' }, { user: 'eve' }, { user: 'joe' }],
      more: true,
    });
    await watch(guest, room);
    const known = await guest.request('$presence', { channel: room, after: 'eve', limit: 2 });
    expect(known.data).toMatchObject({ members: [{ user: 'guest' }, { user: 'joe' }], more: true });
    await vi.waitFor(async () => expect(await membersOf(room)).toHaveLength(6), SOON);
    const answer = await fetch(app.url(`/api/presence?channel=${room}&after=eve&limit=10`), {
      headers: { authorization: `Bearer ${API_KEY}` },
    });
    expect(await answer.json()).toMatchObject({
      channel: room,
      members: [
        { user: 'guest', connections: 1 },
        { user: 'joe', connections: 1 },
        { user: 'sue', connections: 1 },
      ],
      more: false,
    });
  });

  it('is refused where the channel has none, and hidden where it may not be read', async () => {
    const ann = await app.connect('ann');
    const asked = async (event: string, data: object) => (await ann.request(event, data)).error;
    expect(await asked('$subscribe', { channel: 'plain:1', presence: true })).toMatchObject({
      code: 'invalid',
    });
    expect(await asked('$subscribe', { channel: newRoom(), presence: 1 })).toMatchObject({ code: 'invalid' });
    expect(await asked('$presence', { channel: 'plain:1' })).toMatchObject({ code: 'not_found' });
    expect(await asked('$presence', { channel: newRoom(), limit: 1_001 })).toMatchObject({ code: 'invalid' });
    const secret = { code: 'forbidden', message: 'no such channel, or not allowed' };
    expect(await asked('$subscribe', { channel: 'secret:1', presence: true })).toEqual(secret);
    expect(await asked('$presence', { channel: 'secret:1' })).toEqual(secret);
    expect(await asked('$presence', { channel: 'nope:1' })).toEqual(secret);
    expect(await app.get(RealtimeService).channel('plain:1').presence()).toMatchObject({
      ok: false,
      error: { code: 'not_found' },
    });
  });

  it('is opted into later as well, beside a history, and left with the channel', async () => {
    const room = `past:${newRoom().slice(5)}`;
    const ann = await app.connect('ann');
    const { data: first } = await ann.request('$subscribe', { channel: room });
    const { data } = await ann.request('$subscribe', {
      channel: room,
      presence: true,
      position: first as object,
    });
    expect(data).toMatchObject({ channel: room, recovered: true, presence: { members: [{ user: 'ann' }] } });
    await app.get(RealtimeService).channel(room).publish('say', 1);
    await ann.frame('say');
    const { data: connections } = { data: await app.get(RealtimeService).user('ann').connections() };
    expect(
      connections.flatMap(({ channels = [] }) => channels).filter((name) => name.startsWith('$')),
    ).toEqual([]);
    await ann.request('$unsubscribe', { channel: room });
    const bob = await app.connect('bob');
    await watch(bob, room);
    await vi.waitFor(() => expect(story(bob)).toContain('$join bob'), SOON);
    expect(story(ann).filter((line) => line.endsWith('bob'))).toEqual([]);
  });

  it('leaves no ghosts when everybody has gone, however they went', async () => {
    const room = newRoom();
    const nodes = [app, other];
    const clients = await Promise.all(
      Array.from(
        { length: 60 },
        (_, index) => nodes[index % 2]?.connect(`user-${index % 40}`) ?? app.connect('x'),
      ),
    );
    await Promise.all(clients.map((client) => watch(client, room)));
    await vi.waitFor(async () => expect(await membersOf(room)).toHaveLength(40), SOON);
    const ends = clients.map(async (client, index) => {
      if (index % 3 === 0) await client.request('$unsubscribe', { channel: room });
      if (index % 3 === 1) await client.close();
      client.socket.terminate();
    });
    await Promise.all(ends);
    await vi.waitFor(async () => expect(await membersOf(room)).toEqual([]), SOON);
    for (const node of nodes)
      await vi.waitFor(async () => expect(node.get(ConnectionRegistry).inChannel(room).size).toBe(0), SOON);
    expect(clients.map(resets).reduce((sum, count) => sum + count, 0)).toBe(0);
  });
});
