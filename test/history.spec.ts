import 'reflect-metadata';
import { RealtimeService } from '@aerie/realtime';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
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
});
