import 'reflect-metadata';
import { RealtimeService } from '@aerie/realtime';
import { openClient } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { tokenFor } from './support/gateway.js';
import { startHistoryApp } from './support/history-apps.js';
import type { NestApp } from './support/nest-app.js';

const POSITION = { epoch: expect.any(String) as string };

describe.each(['memory', 'redis'] as const)('channels with a history in %s', (driver) => {
  let app: NestApp;
  let rooms = 0;
  const newRoom = (): string => `room:${(rooms += 1)}`;

  beforeAll(async () => {
    app = await startHistoryApp(driver === 'redis' ? { redisUrl: inject('redisUrl') } : {});
  });
  afterAll(() => app.close());

  it('tell where a publication stands, to who publishes it and to who gets it', async () => {
    const room = newRoom();
    const ann = await app.connect('ann');
    await ann.request('$subscribe', { channel: room });
    const { data } = await ann.request('$publish', { channel: room, event: 'say', data: { text: 'hi' } });
    expect(data).toEqual({ channel: room, ...POSITION, offset: 1 });
    expect(await ann.frame('say')).toEqual({
      event: 'say',
      channel: room,
      data: { text: 'hi' },
      from: 'ann',
      offset: 1,
    });
    const outcome = await app.get(RealtimeService).channel(room).publish('say', undefined);
    expect(outcome).toEqual({ ok: true, channel: room, epoch: (data as { epoch: string }).epoch, offset: 2 });
    expect(await ann.frame('say')).toEqual({ event: 'say', channel: room, offset: 2 });
  });

  it('answer a repeated key with the first position', async () => {
    const room = newRoom();
    const ann = await app.connect('ann');
    const publish = () =>
      ann.request('$publish', { channel: room, event: 'say', data: 1, idempotencyKey: 'k' });
    const first = await publish();
    expect(await publish()).toMatchObject({ data: first.data });
    expect(await app.get(RealtimeService).channel(room).history()).toMatchObject({ offset: 1 });
  });

  it('are read in pages: the newest, or those behind an offset', async () => {
    const room = newRoom();
    const service = app.get(RealtimeService);
    for (let n = 1; n <= 5; n += 1) await service.channel(room).publish('count', n);
    const ann = await app.connect('ann');
    expect(await ann.request('$history', { channel: room, limit: 2 })).toMatchObject({
      data: {
        channel: room,
        ...POSITION,
        offset: 5,
        publications: [
          { event: 'count', channel: room, data: 4, offset: 4 },
          { event: 'count', channel: room, data: 5, offset: 5 },
        ],
      },
    });
    const page = await ann.request('$history', { channel: room, after: 1, limit: 2 });
    expect(page.data).toMatchObject({ offset: 5, publications: [{ data: 2 }, { data: 3 }] });
    expect(await service.channel(room).history({ after: 4 })).toMatchObject({
      ok: true,
      offset: 5,
      publications: [{ data: 5 }],
    });
  });

  it('cut a page at 256 KiB', async () => {
    const room = newRoom();
    const service = app.get(RealtimeService);
    for (let n = 1; n <= 5; n += 1) await service.channel(room).publish('big', 'x'.repeat(100_000));
    const page = await service.channel(room).history({ after: 0 });
    expect(page.ok && page.publications.map(({ offset }) => offset)).toEqual([1, 2]);
  });

  it('are read by whoever may subscribe, and others learn nothing of them', async () => {
    const ann = await app.connect('ann');
    const forbidden = { error: { code: 'forbidden', message: 'no such channel, or not allowed' } };
    expect(await ann.request('$history', { channel: 'secret:1' })).toMatchObject(forbidden);
    expect(await ann.request('$history', { channel: 'nowhere' })).toMatchObject(forbidden);
    expect(await ann.request('$history', { channel: 'user:bob' })).toMatchObject(forbidden);
    expect(await ann.request('$history', { channel: 'plain:1' })).toMatchObject({
      error: { code: 'not_found' },
    });
  });

  it.each([
    {},
    { channel: 'room:1', limit: 101 },
    { channel: 'room:1', limit: 0 },
    { channel: 'room:1', after: -1 },
    { channel: 'room:1', after: '1' },
  ])('refuse to be asked for %j', async (data) => {
    const ann = await app.connect('ann');
    expect(await ann.request('$history', data)).toMatchObject({ error: { code: 'invalid' } });
  });

  it('leave channels without one as they were', async () => {
    const ann = await app.connect('ann');
    await ann.request('$subscribe', { channel: 'plain:1' });
    const published = await ann.request('$publish', { channel: 'plain:1', event: 'say', data: 1 });
    expect(published.data).toEqual({ channel: 'plain:1' });
    expect(await ann.frame('say')).toEqual({ event: 'say', channel: 'plain:1', data: 1, from: 'ann' });
  });

  it('keep publications to a user, and no direct event', async () => {
    const service = app.get(RealtimeService);
    const cat = await app.connect('cat');
    await service.user('cat').emit('direct', 1);
    expect(await cat.frame('direct')).toEqual({ event: 'direct', data: 1 });
    expect(await service.channel('user:cat').publish('kept', 2)).toMatchObject({ ok: true, offset: 1 });
    expect(await cat.frame('kept')).toEqual({ event: 'kept', channel: 'user:cat', data: 2, offset: 1 });
  });

  it('let a subscriber that comes back go on where it was', async () => {
    const room = newRoom();
    const channel = app.get(RealtimeService).channel(room);
    const ann = await app.connect('ann');
    const first = await ann.request('$subscribe', { channel: room });
    expect(first.data).toEqual({ channel: room, ...POSITION, offset: 0 });
    const { epoch } = first.data as { epoch: string };
    await channel.publish('count', 1);
    expect(await ann.frame('count')).toMatchObject({ offset: 1 });
    await ann.close();
    for (let n = 2; n <= 4; n += 1) await channel.publish('count', n);

    const again = await app.connect('ann');
    const { data } = await again.request('$subscribe', { channel: room, position: { epoch, offset: 1 } });
    await channel.publish('count', 5);
    const publications = [2, 3, 4].map((n) => ({ event: 'count', channel: room, data: n, offset: n }));
    expect(data).toEqual({ channel: room, epoch, offset: 4, recovered: true, publications });
    expect(await again.frame('count')).toEqual({ event: 'count', channel: room, data: 5, offset: 5 });
  });

  it('tell a subscriber that can’t go on that it can’t', async () => {
    const room = newRoom();
    const ann = await app.connect('ann');
    const reply = await ann.request('$subscribe', { channel: room, position: { epoch: 'old', offset: 7 } });
    expect(reply.data).toEqual({ channel: room, ...POSITION, offset: 0, recovered: false });
    const plain = await ann.request('$subscribe', {
      channel: 'plain:1',
      position: { epoch: 'old', offset: 7 },
    });
    expect(plain.data).toEqual({ channel: 'plain:1', recovered: false });
    for (const position of [null, 'x', { epoch: 'e' }, { epoch: 'e', offset: -1 }])
      expect(await ann.request('$subscribe', { channel: room, position })).toMatchObject({
        error: { code: 'invalid' },
      });
    ann.send('$subscribe', { channel: room, position: { epoch: 'old', offset: 7 } });
    expect(await ann.frame('exception')).toMatchObject({ error: { code: 'invalid' } });
  });

  it('lose nothing to a subscriber that comes and goes while others publish', async () => {
    const room = newRoom();
    const channel = app.get(RealtimeService).channel(room);
    const publishing = new AbortController();
    let published = 0;
    const load = (async () => {
      while (!publishing.signal.aborted)
        if ((await channel.publish('count', published + 1)).ok) published += 1;
    })();
    const got: unknown[] = [];
    let position: unknown;
    for (let round = 0; round < 20; round += 1) {
      const client = await app.connect('ann');
      const { data } = await client.request('$subscribe', { channel: room, ...(round > 0 && { position }) });
      const reply = data as {
        epoch: string;
        offset: number;
        recovered?: boolean;
        publications?: { data: number }[];
      };
      expect(reply.recovered).toBe(round > 0 ? true : undefined);
      if (round === 0) got.push(...Array.from({ length: reply.offset }, (_, index) => index + 1));
      got.push(...(reply.publications ?? []).map((publication) => publication.data));
      await client.frame('count');
      client.socket.terminate();
      await client.closed;
      const live = client.received.filter(({ event }) => event === 'count');
      got.push(...live.map((frame) => frame.data));
      position = { epoch: reply.epoch, offset: live.at(-1)?.offset };
    }
    publishing.abort();
    await load;
    expect(got.length).toBeGreaterThan(20);
    expect(got).toEqual(Array.from({ length: got.length }, (_, index) => index + 1));
  });

  it('tell a user where its own channel stands, and let it go on there', async () => {
    const service = app.get(RealtimeService);
    await service.channel('user:dan').publish('kept', 1);
    const { data: welcome } = await (
      await openClient(app.ws(), { token: tokenFor('dan') })
    ).frame('$welcome');
    expect(welcome).toMatchObject({ channels: { 'user:dan': { ...POSITION, offset: 1 } } });
    const { epoch } = (welcome as { channels: Record<string, { epoch: string }> }).channels['user:dan'] ?? {};
    await service.channel('user:dan').publish('kept', 2);
    const dan = await app.connect('dan');
    const position = { epoch, offset: 1 };
    expect(await dan.request('$subscribe', { channel: 'user:dan', position })).toMatchObject({
      data: { recovered: true, offset: 2, publications: [{ data: 2, offset: 2 }] },
    });
  });
});
