import { SYSTEM } from '@aerie/protocol';
import { describe, expect, it, vi } from 'vitest';
import type { Connection } from '../connections/connection.js';
import { SmallSet } from '../connections/small-set.js';
import { Refusal } from '../refusal.js';
import { SystemHandlers } from '../messages/message-handlers.js';
import type { Hold, NodeChannels } from '../publishing/node-channels.js';
import type { Publisher } from '../publishing/publisher.js';
import { ChannelAccess } from './channel-access.js';
import { ChannelMessages } from './channel-messages.js';
import { ChannelRules } from './channel-rules.js';

function channelsOf(...channels: string[]): SmallSet<string> {
  const set = new SmallSet<string>();
  for (const channel of channels) set.add(channel);
  return set;
}

/** What channels without a history have. */
const recovery = { prepare: () => Promise.resolve(), begin: () => ({}) };
/** What channels without presence have. */
const presence = {
  refusal: () => new Refusal('invalid', 'none'),
  open: () => Promise.reject(new Error('not asked for')),
  watch: () => undefined,
};

function unsubscribe(channel: string): { reply: unknown; left: ReturnType<typeof vi.fn> } {
  const left = vi.fn<() => boolean>(() => true);
  const handlers = new SystemHandlers();
  const channels = { leave: left } as Partial<NodeChannels> as NodeChannels;
  const publisher = {} as Publisher;
  new ChannelMessages({
    access: new ChannelAccess(new ChannelRules()),
    channels,
    publisher,
    recovery,
    presence,
  }).register(handlers);
  const connection = {
    session: { user: 'ann', claims: {} },
    channels: channelsOf(channel),
  } as Partial<Connection>;
  const reply = handlers.get(SYSTEM.unsubscribe)?.(connection as Connection, {
    event: SYSTEM.unsubscribe,
    data: { channel },
  });
  return { reply, left };
}

describe('$unsubscribe', () => {
  it('leaves a channel', () => {
    const { reply, left } = unsubscribe('room:7');
    expect(reply).toEqual({ channel: 'room:7' });
    expect(left).toHaveBeenCalledOnce();
  });

  it("refuses to leave the user's own channel: it could no longer be reached", () => {
    const { reply, left } = unsubscribe('user:ann');
    expect(reply).toBeInstanceOf(Refusal);
    expect(left).not.toHaveBeenCalled();
  });
});

describe('$publish', () => {
  it.each([
    ["a key of the backend's", { user: 'ann', key: '7' }, { key: 'ann:7' }],
    ["another user's key", { user: 'ann', key: 'b:7' }, { user: 'ann:b', key: '7' }],
  ])("can't take %s", async (_name, one, other) => {
    expect(await announcedKey(one)).not.toBe(await announcedKey(other));
  });
});

/** The key that the backplane remembers: a client's where there is a user, else what the backend sent. */
async function announcedKey({ user, key }: { user?: string; key: string }): Promise<string | undefined> {
  if (user === undefined) return key;
  const publish = vi.fn<Publisher['publish']>(() => Promise.resolve({ ok: true }));
  const handlers = new SystemHandlers();
  const rules = new ChannelRules();
  rules.add({ pattern: 'room:{id}', maySubscribe: () => true, mayPublish: () => true });
  new ChannelMessages({
    access: new ChannelAccess(rules),
    channels: {} as NodeChannels,
    publisher: { publish } as Partial<Publisher> as Publisher,
    recovery,
    presence,
  }).register(handlers);
  const connection = { session: { user, claims: {} } } as Partial<Connection> as Connection;
  const data = { channel: 'room:7', event: 'say', idempotencyKey: key };
  await handlers.get(SYSTEM.publish)?.(connection, { event: SYSTEM.publish, data });
  return publish.mock.calls[0]?.[0].idempotencyKey;
}

/** Takes the steps of a join in their order. */
const joinAtOnce: NodeChannels['join'] = async (_connection, _channel, steps) => {
  await steps?.prepare?.();
  steps?.before?.();
  return true;
};

describe('$subscribe', () => {
  it('is taken back where a renewal with weaker claims came while it joined', async () => {
    const rules = new ChannelRules();
    rules.add({
      pattern: 'room:{id}',
      maySubscribe: ({ session }) => session.claims['rooms'] === true,
      mayPublish: () => false,
    });
    const emitted: unknown[] = [];
    const connection = {
      session: { user: 'ann', claims: { rooms: true } },
      channels: channelsOf(),
      emit: (event: string, data: unknown) => void emitted.push([event, data]),
    };
    const leave = vi.fn<() => boolean>(() => true);
    const join = (): Promise<boolean> => {
      connection.session = { user: 'ann', claims: { rooms: false } };
      return Promise.resolve(true);
    };
    const handlers = new SystemHandlers();
    const channels = { join, leave } as Partial<NodeChannels> as NodeChannels;
    new ChannelMessages({
      access: new ChannelAccess(rules),
      channels,
      publisher: {} as Publisher,
      recovery,
      presence,
    }).register(handlers);
    await handlers.get(SYSTEM.subscribe)?.(connection as Partial<Connection> as Connection, {
      event: SYSTEM.subscribe,
      data: { channel: 'room:7' },
    });
    expect(leave).toHaveBeenCalledOnce();
    expect(emitted).toEqual([[SYSTEM.unsubscribed, { channel: 'room:7', reason: 'forbidden' }]]);
  });

  it('asks no rule again for a member that begins to watch who is there', async () => {
    const maySubscribe = vi.fn(() => true);
    const rules = new ChannelRules();
    rules.add({ pattern: 'room:{id}', maySubscribe, mayPublish: () => false });
    const connection = {
      session: { user: 'ann', claims: {} },
      channels: channelsOf(),
      sendPayload: () => undefined,
      mark: () => undefined,
      room: 1_000,
    };
    const join: NodeChannels['join'] = (one, channel, steps) => {
      connection.channels.add(channel);
      return joinAtOnce(one, channel, steps);
    };
    const watch = vi.fn<() => { version: number; members: [] }>(() => ({ version: 1, members: [] }));
    const handlers = new SystemHandlers();
    new ChannelMessages({
      access: new ChannelAccess(rules),
      channels: { join } as Partial<NodeChannels> as NodeChannels,
      publisher: {} as Publisher,
      recovery,
      presence: { refusal: () => undefined, open: () => Promise.resolve({} as Hold), watch },
    }).register(handlers);
    const subscribe = async (id: number, more: object = {}): Promise<void> =>
      void (await handlers.get(SYSTEM.subscribe)?.(connection as Partial<Connection> as Connection, {
        event: SYSTEM.subscribe,
        id,
        data: { channel: 'room:7', ...more },
      }));
    await subscribe(1);
    await subscribe(2, { presence: true });
    expect([maySubscribe.mock.calls.length, watch.mock.calls.length]).toEqual([1, 1]);
    await subscribe(3);
    expect(maySubscribe).toHaveBeenCalledTimes(2);
  });

  it('with a position waits until the connection has taken what it was owed, and joins then', async () => {
    const rules = new ChannelRules();
    rules.add({ pattern: 'room:{id}', maySubscribe: () => true, mayPublish: () => false });
    const story: string[] = [];
    const drained = Promise.withResolvers<void>();
    const connection = {
      session: { user: 'ann', claims: {} },
      channels: channelsOf(),
      drained: () => drained.promise,
      sendPayload: (payload: Uint8Array) => void story.push(Buffer.from(payload).toString()),
      mark: (channel: string, { offset = 0 }: { offset?: number } = {}) =>
        void story.push(`${channel} stands at ${offset}`),
      room: 1_000,
    };
    const handlers = new SystemHandlers();
    new ChannelMessages({
      access: new ChannelAccess(rules),
      channels: { join: joinAtOnce } as Partial<NodeChannels> as NodeChannels,
      publisher: {} as Publisher,
      recovery: {
        prepare: async (channel) => void story.push(`prepared ${channel}`),
        begin: (_channel, position, maxBytes) => {
          story.push(`at most ${maxBytes}`);
          return { ...position, recovered: true, publications: [Buffer.from('1'), Buffer.from('2')] };
        },
      },
      presence,
    }).register(handlers);
    const position = { epoch: 'e', offset: 3 };
    const answered = handlers.get(SYSTEM.subscribe)?.(connection as Partial<Connection> as Connection, {
      event: SYSTEM.subscribe,
      id: 7,
      data: { channel: 'room:7', position },
    });
    await new Promise(setImmediate);
    expect(story).toEqual([]);
    drained.resolve();
    await answered;
    const reply =
      '{"id":7,"data":{"channel":"room:7","epoch":"e","offset":3,"recovered":true,"publications":[1,2]}}';
    expect(story).toEqual(['prepared room:7', 'at most 500', reply, 'room:7 stands at 3']);
  });
});
