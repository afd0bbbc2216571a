import { randomUUID } from 'node:crypto';
import { RealtimeClient } from '@aerie/client';
import { presence } from '@aerie/client/presence';
import { openClient, type TestClient } from '@aerie/realtime/testing';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { ALL_ZERO, gaugesOf } from './support/gauges.js';
import { type RunningGateway, someAddress, startGateway, tokenFor } from './support/gateway.js';
import { startTcpProxy, type TcpProxy } from './support/tcp-proxy.js';
import { Watcher } from './support/watcher.js';

const CHANNELS = JSON.stringify({
  channels: [{ pattern: 'room:{id}', subscribe: 'authenticated', presence: true }],
});
const WAIT = { timeout: 20_000, interval: 25 };
/** Two pages. */
const MEMBERS = 1_300;
/** Clients that connect at a time. */
const AT_ONCE = 100;

async function enter(gateway: RunningGateway, user: string, room: string): Promise<TestClient> {
  const headers = { 'x-forwarded-for': someAddress() };
  const client = await openClient(gateway.ws(), { token: tokenFor(user), headers });
  await client.frame('$welcome');
  await client.request('$subscribe', { channel: room });
  return client;
}

describe('the SDK on channels with presence', () => {
  let left: RunningGateway;
  let right: RunningGateway;
  let road: TcpProxy;
  let rooms = 0;
  const watchers: Watcher[] = [];

  beforeAll(async () => {
    const env = {
      CHANNELS,
      REDIS_URL: inject('redisUrl'),
      REDIS_PREFIX: `presence-${randomUUID()}:`,
      TRUST_PROXY: 'loopback',
    };
    [left, right] = await Promise.all([startGateway(env), startGateway(env)]);
    road = await startTcpProxy(left.port);
  });
  afterEach(() => {
    for (const watcher of watchers.splice(0)) watcher.close();
  });
  afterAll(async () => {
    await road.close();
    await Promise.all([left.stop(), right.stop()]);
  });

  const newRoom = (): string => `room:${(rooms += 1)}`;

  function watch(url: string, user: string, room: string): Promise<Watcher> {
    const watcher = new Watcher(url, user, room);
    watchers.push(watcher);
    return watcher.subscribed();
  }

  async function membersOf(room: string): Promise<number> {
    let [count, after]: [number, string | undefined] = [0, undefined];
    for (;;) {
      const query: string = after === undefined ? '' : `&after=${after}`;
      const page = (await right.api(`presence?channel=${room}${query}`)) as {
        members: { user: string }[];
        more: boolean;
      };
      count += page.members.length;
      after = page.members.at(-1)?.user;
      if (!page.more) return count;
    }
  }

  it('shows who is there, each user once, and who came and went over a lost connection', async () => {
    const room = newRoom();
    const ann = await watch(`ws://127.0.0.1:${road.port}/ws`, 'ann', room);
    const phone = await watch(right.ws(), 'bob', room);
    const laptop = await watch(left.ws(), 'bob', room);
    // Behind the laptop on its node: who is seen shows that the laptop is written.
    const eve = await enter(left, 'eve', room);
    await vi.waitFor(() => expect(ann.users).toEqual(['ann', 'bob', 'eve']), WAIT);
    await phone.unsubscribe();
    const fay = await enter(right, 'fay', room);
    await vi.waitFor(() => expect(ann.users).toEqual(['ann', 'bob', 'eve', 'fay']), WAIT);
    expect(laptop.users).toEqual(['ann', 'bob', 'eve', 'fay']);

    road.setMode('cut');
    await vi.waitFor(() => expect(ann.status).toBe('subscribing'), WAIT);
    await laptop.unsubscribe();
    await Promise.all([eve.close(), fay.close()]);
    const joe = await enter(right, 'joe', room);
    await vi.waitFor(async () => expect(await membersOf(room)).toBe(2), WAIT);
    expect(ann.users).toEqual(['ann', 'bob', 'eve', 'fay']);
    road.setMode('pass');
    await vi.waitFor(() => expect(ann.users).toEqual(['ann', 'joe']), WAIT);
    expect(ann.told.toSorted()).toEqual(['+ann', '+bob', '+eve', '+fay', '+joe', '-bob', '-eve', '-fay']);
    await joe.close();
    await vi.waitFor(() => expect(ann.users).toEqual(['ann']), WAIT);
  });

  it('leaves no ghost where a channel is left while its members are asked for', async () => {
    const room = newRoom();
    const client = new RealtimeClient(left.ws(), { token: () => tokenFor('ann') });
    const channel = client.channel(room);
    let told = 0;
    for (let stay = 0; stay < 5; stay += 1) {
      presence(channel).on('change', () => (told += 1));
      await channel.subscribe();
      await channel.unsubscribe();
    }
    const eve = await enter(left, 'eve', room);
    const bob = await watch(left.ws(), 'bob', room);
    await vi.waitFor(() => expect(bob.users).toEqual(['bob', 'eve']), WAIT);
    await vi.waitFor(async () => expect(await membersOf(room)).toBe(2), WAIT);
    expect(told).toBe(0);
    client.close();
    await eve.close();
  });

  it('has all of more than 1,000 members, whatever changes while they are read, and forgets all', async () => {
    const room = newRoom();
    const clients: TestClient[] = [];
    const nodes = [left, right];
    for (let from = 0; from < MEMBERS; from += AT_ONCE)
      clients.push(
        ...(await Promise.all(
          Array.from({ length: AT_ONCE }, (_, index) =>
            enter(nodes[index % 2] ?? left, `user-${from + index}`, room),
          ),
        )),
      );
    await vi.waitFor(async () => expect(await membersOf(room)).toBe(MEMBERS), WAIT);

    const watching = Promise.all([watch(left.ws(), 'ann', room), watch(right.ws(), 'zoe', room)]);
    const leaving = Promise.all(clients.splice(0, 50).map((client) => client.close()));
    const coming = Promise.all(Array.from({ length: 50 }, (_, index) => enter(left, `late-${index}`, room)));
    const pair = await watching;
    clients.push(...(await coming));
    await leaving;
    await vi.waitFor(async () => expect(await membersOf(room)).toBe(MEMBERS + 2), WAIT);
    for (const watcher of pair) {
      await vi.waitFor(() => expect(watcher.users).toHaveLength(MEMBERS + 2), WAIT);
      expect(watcher.users).toEqual(
        expect.arrayContaining(['ann', 'late-49', 'user-50', 'user-1299', 'zoe']),
      );
      expect(watcher.users).not.toContain('user-0');
    }

    await Promise.all(clients.map((client) => client.close()));
    for (const watcher of pair) await vi.waitFor(() => expect(watcher.users).toEqual(['ann', 'zoe']), WAIT);
    for (const watcher of pair) watcher.close();
    await vi.waitFor(async () => expect(await membersOf(room)).toBe(0), WAIT);
    for (const gateway of nodes)
      await vi.waitFor(async () => expect(await gaugesOf(gateway)).toEqual(ALL_ZERO), WAIT);
  });
});
