import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { EventStream } from './support/event-stream.js';
import { nowSeconds, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { type RedisServer, startRedis } from './support/redis-server.js';

const history = { size: 1_000, ttlMs: 60_000 };
const CHANNELS = JSON.stringify({
  channels: [
    { pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated', history },
    { pattern: 'live:{id}', subscribe: 'authenticated', publish: 'authenticated' },
    { pattern: 'closed:{id}' },
  ],
});
const WAIT = { timeout: 15_000 };
const MANY = Array.from({ length: 33 }, (_, index) => `live:${index}`).join(',');

describe('server-sent events', () => {
  let redis: RedisServer;
  let first: RunningGateway;
  let second: RunningGateway;

  beforeAll(async () => {
    redis = await startRedis();
    const env = {
      REDIS_URL: redis.url,
      CHANNELS,
      HEARTBEAT_INTERVAL_MS: '2000',
      ALLOWED_ORIGINS: 'https://app.test',
    };
    [first, second] = await Promise.all([startGateway(env), startGateway(env)]);
  });
  afterAll(async () => {
    await Promise.all([first?.stop(), second?.stop()]);
    await redis?.stop();
  });

  async function publish(channel: string, ...data: unknown[]): Promise<void> {
    for (const datum of data) await second.api('publish', { channel, event: 'count', data: datum });
  }

  it('welcomes, subscribes what the URL names, and brings what is published', async () => {
    const stream = await EventStream.open(`${first.url}/sse?channels=room:a,closed:a`, {
      ...bearer('ann'),
      origin: 'https://app.test',
    });
    expect(stream.status).toBe(200);
    expect(stream.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'access-control-allow-origin': 'https://app.test',
      'access-control-allow-credentials': 'true',
    });
    expect((await stream.frame('$welcome')).data).toMatchObject({ user: 'ann', transport: 'sse' });
    await vi.waitFor(() => expect(stream.dataOf('$subscribed')).toHaveLength(2), WAIT);
    expect(stream.dataOf('$subscribed')).toEqual([
      { channel: 'room:a', epoch: expect.any(String) as string, offset: 0 },
      { channel: 'closed:a', error: { code: 'forbidden', message: expect.any(String) as string } },
    ]);
    await publish('room:a', 1, 'two\nlines');
    await vi.waitFor(() => expect(stream.dataOf('count')).toEqual([1, 'two\nlines']), WAIT);
    await vi.waitFor(() => expect(stream.comments).toBeGreaterThan(1), WAIT);
    expect(await first.connections()).toBe(1);
    stream.cut();
    await vi.waitFor(async () => expect(await first.connections()).toBe(0), WAIT);
  });

  it('goes on where it was, on another node, though the ticket in its URL is used up', async () => {
    const url = `/sse?channels=room:b,live:b&ticket=${await first.ticket(tokenFor('bob'))}`;
    const before = await EventStream.open(first.url + url);
    await vi.waitFor(() => expect(before.dataOf('$subscribed')).toHaveLength(2), WAIT);
    await publish('room:b', 1, 2);
    await vi.waitFor(() => expect(before.lastEventId).toMatch(/;room:b\/[^/]+\/2$/), WAIT);
    before.cut();
    await publish('room:b', 3, 4);
    const after = await EventStream.open(second.url + url, { 'last-event-id': before.lastEventId });
    await vi.waitFor(() => expect(after.dataOf('count')).toEqual([3, 4]), WAIT);
    expect(after.dataOf('$subscribed')[0]).toMatchObject({ channel: 'room:b', recovered: true, offset: 2 });
    await publish('room:b', 5);
    await vi.waitFor(() => expect(after.dataOf('count')).toEqual([3, 4, 5]), WAIT);
    after.cut();
    const without = await EventStream.open(second.url + url);
    expect(without.status).toBe(401);
    expect(first.log + second.log).not.toContain(before.lastEventId.split(';')[0]);
  });

  it('comes back with a ticket that is used up where no channel has a history either', async () => {
    const url = `/sse?channels=live:t&ticket=${await first.ticket(tokenFor('tom'))}`;
    const before = await EventStream.open(first.url + url);
    await before.frame('$subscribed');
    before.cut();
    const after = await EventStream.open(second.url + url, { 'last-event-id': before.lastEventId });
    expect((await after.frame('$subscribed')).data).toEqual({ channel: 'live:t' });
    after.cut();
  });

  it('survives the death of its node', async () => {
    const dying = await startGateway({ REDIS_URL: redis.url, CHANNELS });
    const stream = await EventStream.open(`${dying.url}/sse?channels=room:c`, bearer('cyd'));
    await stream.frame('$subscribed');
    await publish('room:c', 1);
    await vi.waitFor(() => expect(stream.lastEventId).toMatch(/\/1$/), WAIT);
    await dying.stop();
    await publish('room:c', 2, 3);
    const back = await EventStream.open(`${first.url}/sse?channels=room:c`, {
      ...bearer('cyd'),
      'last-event-id': stream.lastEventId,
    });
    await vi.waitFor(() => expect(back.dataOf('count')).toEqual([2, 3]), WAIT);
    back.cut();
  });

  it('forgets the place of a channel that has no history', async () => {
    const stream = await EventStream.open(`${first.url}/sse?channels=room:n`, {
      ...bearer('nan'),
      'last-event-id': ';live:n/anepoch/7',
    });
    await vi.waitFor(() => expect(stream.dataOf('$subscribed')).toHaveLength(2), WAIT);
    await vi.waitFor(() => expect(stream.lastEventId).toMatch(/^;room:n\/[^;]+\/0$/), WAIT);
    stream.cut();
  });

  it('tells that a position is lost instead of leaving a gap', async () => {
    const stream = await EventStream.open(`${first.url}/sse?channels=room:d`, {
      ...bearer('dan'),
      'last-event-id': ';room:d/anotherepoch/7',
    });
    expect((await stream.frame('$subscribed')).data).toMatchObject({ channel: 'room:d', recovered: false });
    stream.cut();
  });

  it.each([
    ['without a credential', {}, '/sse', 401],
    ['with a bad one', { authorization: 'Bearer nonsense' }, '/sse', 401],
    ['from a foreign page', { ...bearer('eve'), origin: 'https://evil.test' }, '/sse', 403],
    ['with an id of somewhere else', { ...bearer('eve'), 'last-event-id': 'a;b' }, '/sse', 400],
    ['with a forged proof', { 'last-event-id': 'e30.AAAA' }, '/sse', 401],
    ['with a name that no channel has', bearer('eve'), '/sse?channels=a%20b', 400],
    ['with more channels than a stream has', bearer('eve'), `/sse?channels=${MANY}`, 429],
  ])('refuses over HTTP who comes %s, and says so in the log', async (_how, headers, path, status) => {
    const refused = (): number =>
      first.handshakes.filter((line) => line['transport'] === 'sse' && line['status'] === status).length;
    const before = refused();
    const stream = await EventStream.open(first.url + path, headers);
    expect(stream.status).toBe(status);
    expect(stream.headers['content-type']).toMatch(/^application\/json/);
    await vi.waitFor(() => expect(refused()).toBe(before + 1), WAIT);
  });

  describe('with POST /send', () => {
    it('runs messages on the node that holds the stream, and replies by it', async () => {
      const stream = await EventStream.open(`${first.url}/sse`, bearer('fay'));
      const { connection } = (await stream.frame('$welcome')).data as { connection: string };
      const own = { ...bearer('fay'), 'aerie-connection': connection };
      const sent = await send(second, own, {
        seq: 1,
        messages: [
          { event: '$subscribe', data: { channel: 'room:f' }, id: 's' },
          { event: '$publish', data: { channel: 'room:f', event: 'count', data: 1 }, id: 'p' },
        ],
      });
      expect([sent.status, await sent.json()]).toEqual([202, { seq: 1 }]);
      await vi.waitFor(() => expect(stream.dataOf('count')).toEqual([1]), WAIT);
      expect(stream.frames.filter(({ id }) => id !== undefined).map(({ id }) => id)).toEqual(['s', 'p']);
      const again = await send(first, own, {
        seq: 1,
        messages: [{ event: '$publish', data: { channel: 'room:f', event: 'count', data: 2 } }],
      });
      expect(again.status).toBe(202);
      const gap = await send(second, own, { seq: 3, messages: [] });
      expect([gap.status, await gap.json()]).toMatchObject([
        409,
        { error: { code: 'conflict', details: { expected: 2 } } },
      ]);
      await send(second, own, { seq: 2, messages: [{ event: '$ping' }] });
      await stream.frame('$pong');
      expect(stream.dataOf('count')).toEqual([1]);
      expect(stream.lastEventId).toMatch(/^;room:f\/[^/]+\/1$/);
      await send(second, own, { seq: 3, messages: [{ event: '$unsubscribe', data: { channel: 'room:f' } }] });
      await vi.waitFor(() => expect(stream.lastEventId).toBe(''), WAIT);
      stream.cut();
    });

    it('takes the proof of the welcome as a credential', async () => {
      const ticket = await first.ticket(tokenFor('gil'));
      const stream = await EventStream.open(`${first.url}/sse?ticket=${ticket}`);
      const { connection, resume } = (await stream.frame('$welcome')).data as Record<string, string>;
      const headers = { 'aerie-connection': connection ?? '', 'aerie-resume': resume ?? '' };
      expect((await send(second, headers, { messages: [{ event: '$ping' }] })).status).toBe(202);
      await stream.frame('$pong');
      stream.cut();
    });

    it('renews its session, and comes back with the new one though its URL holds a ticket', async () => {
      const [old, renewed] = [600, 1_200].map((life) => tokenFor('kay', { exp: nowSeconds() + life }));
      const ticket = await first.ticket(old ?? '');
      const url = `/sse?channels=live:k2&ticket=${ticket}`;
      const before = await EventStream.open(first.url + url);
      const welcome = (await before.frame('$welcome')).data as Record<string, string>;
      const headers = { 'aerie-connection': welcome['connection'] ?? '' };
      const own = { ...headers, 'aerie-resume': welcome['resume'] ?? '' };
      await send(second, own, { messages: [{ event: '$auth', data: { token: renewed }, id: 'renew' }] });
      const { expiresAt, resume } = await replyTo(before, 'renew');
      expect(expiresAt).toBeGreaterThan(Number(welcome['expiresAt']));
      expect(resume).not.toBe(welcome['resume']);
      const sent = await send(second, { ...headers, 'aerie-resume': String(resume) }, { messages: [] });
      expect(sent.status).toBe(202);
      await vi.waitFor(() => expect(before.lastEventId.split(';')[0]).toBe(resume), WAIT);
      before.cut();
      const after = await EventStream.open(second.url + url, { 'last-event-id': before.lastEventId });
      expect((await after.frame('$welcome')).data).toMatchObject({ expiresAt });
      after.cut();
    });

    it('refuses what it can’t take', async () => {
      const stream = await EventStream.open(`${first.url}/sse`, bearer('hal'));
      const { connection } = (await stream.frame('$welcome')).data as { connection: string };
      const own = { ...bearer('hal'), 'aerie-connection': connection };
      const foreign = await send(
        second,
        { ...bearer('ida'), 'aerie-connection': connection },
        { messages: [] },
      );
      expect([
        foreign.status,
        (await send(first, { ...bearer('ida'), 'aerie-connection': connection }, { messages: [] })).status,
      ]).toEqual([410, 403]);
      expect((await send(second, { 'aerie-connection': connection }, { messages: [] })).status).toBe(401);
      expect((await send(second, bearer('hal'), { messages: [] })).status).toBe(400);
      expect((await send(second, own, { messages: 'none' })).status).toBe(400);
      expect((await send(second, own, { messages: [{ event: 'x', data: 'x'.repeat(70_000) }] })).status).toBe(
        413,
      );
      stream.cut();
      await vi.waitFor(
        async () => expect((await send(second, own, { messages: [] })).status).toBe(410),
        WAIT,
      );
    });
  });

  it('says why it ends', async () => {
    const stream = await EventStream.open(`${first.url}/sse`, bearer('jan'));
    await stream.frame('$welcome');
    await second.api('disconnect', { user: 'jan' });
    expect((await stream.frame('$close')).data).toMatchObject({ code: 4403 });
    await vi.waitFor(() => expect(stream.ended).toBe(true), WAIT);
  });

  it('ends who does not read', async () => {
    const stream = await EventStream.open(`${first.url}/sse?channels=live:k`, bearer('kim'));
    await stream.frame('$subscribed');
    stream.response.pause();
    const slow = await first.metric('aerie_slow_consumers_total');
    const text = 'x'.repeat(60_000);
    await vi.waitFor(
      async () => {
        await Promise.all(Array.from({ length: 20 }, () => publish('live:k', text)));
        expect(await first.metric('aerie_slow_consumers_total')).toBe(slow + 1);
      },
      { timeout: 30_000, interval: 10 },
    );
    await vi.waitFor(async () => expect(await first.connections()).toBe(0), WAIT);
    stream.cut();
  });

  it('is given away when its node drains', async () => {
    const leaving = await startGateway({ REDIS_URL: redis.url, CHANNELS, DRAIN_WINDOW_MS: '2000' });
    const stream = await EventStream.open(`${leaving.url}/sse`, bearer('lea'));
    await stream.frame('$welcome');
    leaving.child.kill('SIGTERM');
    expect((await stream.frame('$reconnect')).data).toMatchObject({ reason: expect.any(String) as string });
    expect((await stream.frame('$close')).data).toMatchObject({ code: 1001 });
    await vi.waitFor(() => expect(stream.retryMs).toBeGreaterThan(0), WAIT);
    await vi.waitFor(() => expect(leaving.child.exitCode).toBe(0), WAIT);
  });
});

function bearer(user: string): Record<string, string> {
  return { authorization: `Bearer ${tokenFor(user)}` };
}

/** The data of the reply to a message. */
async function replyTo(stream: EventStream, id: string): Promise<Readonly<Record<string, unknown>>> {
  return vi.waitFor(() => {
    const reply = stream.frames.find((frame) => frame.id === id);
    expect(reply).toBeDefined();
    return reply?.data as Readonly<Record<string, unknown>>;
  }, WAIT);
}

function send(gateway: RunningGateway, headers: Record<string, string>, body: unknown): Promise<Response> {
  return fetch(`${gateway.url}/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}
