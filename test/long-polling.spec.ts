import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { nowSeconds, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { PollClient } from './support/poll-client.js';
import { type RedisServer, startRedis } from './support/redis-server.js';

const history = { size: 1_000, ttlMs: 60_000 };
const CHANNELS = JSON.stringify({
  channels: [
    { pattern: 'room:{id}', subscribe: 'authenticated', publish: 'authenticated', history },
    { pattern: 'live:{id}', subscribe: 'authenticated', publish: 'authenticated' },
    { pattern: 'closed:{id}' },
  ],
});
const WAIT = { timeout: 20_000, interval: 50 };
const AWKWARD = 'a "quoted" \\ line\nand\r\nanother\u2028\u2029 😀 \u0000 </script>';

describe('long polling', () => {
  let redis: RedisServer;
  let first: RunningGateway;
  let second: RunningGateway;

  beforeAll(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, CHANNELS, ALLOWED_ORIGINS: 'https://app.test' };
    [first, second] = await Promise.all([startGateway(env), startGateway(env)]);
  });
  afterAll(async () => {
    await Promise.all([first?.stop(), second?.stop()]);
    await redis?.stop();
  });

  async function publish(channel: string, ...data: unknown[]): Promise<void> {
    for (const datum of data) await second.api('publish', { channel, event: 'count', data: datum });
  }

  async function connectionsOf(user: string): Promise<number> {
    const { connections } = (await second.api(`connections?user=${user}`)) as { connections: unknown[] };
    return connections.length;
  }

  const open = (user: string, query = '', headers: Record<string, string> = {}): Promise<PollClient> =>
    PollClient.open(first, { ...bearer(user), ...headers }, query);

  it('opens at once, subscribes what the URL names, and brings what is published', async () => {
    const client = await open('ann', '?channels=room:a,closed:a', { origin: 'https://app.test' });
    expect(client.opening).toMatchObject({
      status: 200,
      connection: expect.any(String) as string,
      cursor: '1',
    });
    expect(client.opening?.headers.get('access-control-allow-origin')).toBe('https://app.test');
    expect(client.opening?.headers.get('cache-control')).toBe('no-store');
    expect(client.frames[0]).toMatchObject({
      event: '$welcome',
      data: { user: 'ann', transport: 'long-polling', connection: client.connection },
    });
    await client.until(() => client.dataOf('$subscribed').length === 2, first);
    expect(client.dataOf('$subscribed')).toEqual([
      { channel: 'room:a', epoch: expect.any(String) as string, offset: 0 },
      { channel: 'closed:a', error: { code: 'forbidden', message: expect.any(String) as string } },
    ]);
    const waiting = client.poll(first);
    await publish('room:a', 1, AWKWARD);
    await waiting;
    await client.until(() => client.dataOf('count').length === 2, second, first);
    expect(client.dataOf('count')).toEqual([1, AWKWARD]);
    expect(client.id).toMatch(/^;room:a\/[^/]+\/2$/);
    expect(await client.leave(second)).toBe(204);
    await vi.waitFor(async () => expect(await connectionsOf('ann')).toBe(0), WAIT);
    expect((await client.peek(first)).status).toBe(410);
    expect((await client.peek(second)).status).toBe(410);
  });

  it('keeps a batch until the next cursor says that it came, whichever node is asked', async () => {
    const client = await open('bob', '?channels=room:b');
    await client.until(() => client.dataOf('$subscribed').length === 1, first);
    await publish('room:b', 1, 2);
    const lost = await client.peek(second);
    await publish('room:b', 3);
    const again = await client.peek(first);
    expect(again.frames).toEqual(lost.frames);
    expect([again.cursor, again.id]).toEqual([lost.cursor, lost.id]);
    await client.until(() => client.dataOf('count').length === 3, second, first);
    expect(client.dataOf('count')).toEqual([1, 2, 3]);
    await client.leave(first);
  });

  it('lets the newest of two polls wait, and ends the other with nothing', async () => {
    const client = await open('cyd', '?channels=room:c');
    await client.until(() => client.dataOf('$subscribed').length === 1, first);
    const older = client.peek(first);
    let isOver = false;
    void older.then(() => (isOver = true));
    await vi.waitFor(async () => {
      const newer = client.peek(second, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
      expect(isOver).toBe(true);
      await newer;
    }, WAIT);
    expect(await older).toMatchObject({ status: 200, frames: [], cursor: client.cursor });
    await publish('room:c', 1);
    await client.until(() => client.dataOf('count').length === 1, first);
    await client.leave(first);
  });

  it('carries frames larger than a batch, and many of them', async () => {
    const client = await open('dan', '?channels=room:d');
    await client.until(() => client.dataOf('$subscribed').length === 1, first);
    const large = AWKWARD.repeat(10_000);
    const sent = [large, ...Array.from({ length: 8 }, (_, index) => `${index}`.padEnd(50_000, AWKWARD))];
    for (const data of sent) {
      await publish('room:d', data);
      if (data === large) await client.until(() => client.dataOf('count').length === 1, second, first);
    }
    await client.until(() => client.dataOf('count').length === sent.length, second, first);
    expect(client.dataOf('count')).toEqual(sent);
    await client.leave(first);
  });

  it('takes messages beside it, and replies by the polls', async () => {
    const client = await open('eve');
    const sent = await send(
      second,
      { ...client.headers, 'aerie-connection': client.connection },
      { seq: 1, messages: [{ event: '$subscribe', data: { channel: 'live:e' }, id: 's' }] },
    );
    expect(sent.status).toBe(202);
    await client.until(() => client.frames.some(({ id }) => id === 's'), second);
    await publish('live:e', 1);
    await client.until(() => client.dataOf('count').length === 1, second);
    await client.leave(first);
  });

  it('is asked with the proof of its welcome where a ticket opened it, and comes back with its id', async () => {
    const ticket = await first.ticket(tokenFor('fay'));
    const client = await PollClient.open(first, {}, `?channels=room:f&ticket=${ticket}`);
    const { resume = '' } = client.dataOf('$welcome')[0] as { resume?: string };
    expect((await client.peek(second)).status).toBe(401);
    await publish('room:f', 1);
    const withProof = { 'aerie-resume': resume };
    let answer = await client.peek(second, { headers: withProof });
    while (!answer.id?.endsWith('/1'))
      answer = await client.peek(second, { headers: withProof, cursor: answer.cursor ?? '' });
    await publish('room:f', 2);
    const back = await PollClient.open(
      second,
      { 'last-event-id': answer.id },
      `?channels=room:f&ticket=${ticket}`,
    );
    const own = { ...withProof, 'aerie-connection': back.connection };
    await vi.waitFor(async () => {
      Object.assign(
        back,
        await back.peek(first, { headers: own }).then(({ cursor, frames = [] }) => {
          back.frames.push(...frames);
          return { cursor };
        }),
      );
      expect(back.dataOf('count')).toEqual([2]);
    }, WAIT);
    expect(back.dataOf('$subscribed')).toMatchObject([{ channel: 'room:f', recovered: true, offset: 1 }]);
    expect(first.log + second.log).not.toContain(resume);
  });

  it('renews its session, and comes back with the new one though its URL holds a ticket', async () => {
    const [old = '', renewed] = [600, 1_200].map((life) => tokenFor('guy', { exp: nowSeconds() + life }));
    const query = `?ticket=${await first.ticket(old)}`;
    const client = await PollClient.open(first, {}, query);
    const [welcome] = client.dataOf('$welcome') as [Record<string, string>];
    const own = { 'aerie-connection': client.connection, 'aerie-resume': welcome['resume'] ?? '' };
    await send(second, own, { messages: [{ event: '$auth', data: { token: renewed }, id: 'renew' }] });
    const answer = await client.peek(second, { headers: own });
    const reply = answer.frames?.find(({ id }) => id === 'renew')?.data as Record<string, unknown>;
    expect(reply['expiresAt']).toBeGreaterThan(Number(welcome['expiresAt']));
    expect(reply['resume']).not.toBe(welcome['resume']);
    expect(answer.id).toBe(reply['resume']);
    const back = await PollClient.open(second, { 'last-event-id': answer.id ?? '' }, query);
    expect(back.dataOf('$welcome')).toMatchObject([{ expiresAt: reply['expiresAt'] }]);
  });

  it.each([
    ['without a credential', {}, '', 401],
    ['from a foreign page', { ...bearer('eve'), origin: 'https://evil.test' }, '', 403],
    ['with an id of somewhere else', { ...bearer('eve'), 'last-event-id': 'a;b' }, '', 400],
    ['with a name that no channel has', bearer('eve'), '?channels=a%20b', 400],
  ])('refuses who opens %s', async (_how, headers, query, status) => {
    expect((await PollClient.open(first, headers, query)).opening?.status).toBe(status);
  });

  it('refuses foreign users and cursors that it did not give', async () => {
    const client = await open('gil');
    await client.until(() => client.dataOf('$welcome').length === 1, first);
    expect((await client.peek(first, { headers: bearer('hal') })).status).toBe(403);
    expect((await client.peek(second, { headers: bearer('hal') })).status).toBe(410);
    for (const cursor of ['', '-1', '1e3', 'x', '1'.repeat(20)])
      expect((await client.peek(second, { cursor })).status).toBe(400);
    for (const cursor of ['7', '999999999999999'])
      expect(await client.peek(second, { cursor })).toMatchObject({
        status: 409,
        error: { code: 'conflict' },
      });
    expect((await client.peek(first, { headers: { 'aerie-connection': 'nobody' } })).status).toBe(410);
    const head = await fetch(`${first.url}/poll`, { method: 'HEAD', headers: bearer('gil') });
    expect([head.status, await connectionsOf('gil')]).toEqual([200, 1]);
    await client.leave(first);
  });

  it('lets the cookie of its own page poll, as browsers send no Origin with a plain GET', async () => {
    const client = await PollClient.open(first, { cookie: `session=${tokenFor('ida')}` });
    expect(client.opening?.status).toBe(200);
    expect((await client.peek(second, { cursor: '99' })).status).toBe(409);
    expect(await client.leave(second)).toBe(204);
  });

  it('ends a poll with the reason for which its connection ends', async () => {
    const client = await open('jan');
    const waiting = client.until(() => client.dataOf('$close').length === 1, second);
    await second.api('disconnect', { user: 'jan' });
    await waiting;
    expect(client.dataOf('$close')).toMatchObject([{ code: 4403 }]);
    expect((await client.poll(first)).status).toBe(410);
    await vi.waitFor(async () => expect(await connectionsOf('jan')).toBe(0), WAIT);
  });

  it('ends when the session does, and refuses its polls from then on', async () => {
    const token = tokenFor('kim', { exp: nowSeconds() + 3 });
    const client = await PollClient.open(first, { authorization: `Bearer ${token}` });
    await client.until(() => client.dataOf('$close').length === 1, first);
    expect(client.dataOf('$close')).toMatchObject([{ code: 4401 }]);
    await vi.waitFor(async () => expect((await client.peek(second)).status).toBe(401), WAIT);
    const revoked = await open('lea');
    await second.api('revoke', { user: 'lea' });
    await vi.waitFor(async () => expect((await revoked.peek(second)).status).toBe(401), WAIT);
    await vi.waitFor(async () => expect(await connectionsOf('lea')).toBe(0), WAIT);
  });

  it('ends who never polls, as too slow', async () => {
    const slow = await first.metric('aerie_slow_consumers_total');
    const client = await open('mia', '?channels=live:m');
    await client.until(() => client.dataOf('$subscribed').length === 1, first);
    const text = 'x'.repeat(60_000);
    for (let index = 0; index < 25; index += 1) await publish('live:m', text);
    await vi.waitFor(
      async () => expect(await first.metric('aerie_slow_consumers_total')).toBe(slow + 1),
      WAIT,
    );
    await vi.waitFor(async () => expect(await connectionsOf('mia')).toBe(0), WAIT);
    expect((await client.peek(first)).status).toBe(410);
  });

  it(
    'gives a client up that has not polled for 30 s, and keeps one that waits',
    { timeout: 60_000 },
    async () => {
      const silent = await open('nat');
      const waits = await open('oda');
      // Written behind the connect.
      await vi.waitFor(async () => expect(await connectionsOf('nat')).toBe(1), 5_000);
      const gone = new AbortController();
      const cut = silent.peek(first, { signal: gone.signal }).catch(() => undefined);
      const polling = waits.until(() => waits.dataOf('count').length === 1, second);
      gone.abort();
      await cut;
      await vi.waitFor(async () => expect(await connectionsOf('nat')).toBe(0), {
        timeout: 45_000,
        interval: 500,
      });
      expect(await connectionsOf('oda')).toBe(1);
      expect((await silent.peek(first)).status).toBe(410);
      await publish('user:oda', 1);
      await polling;
      await waits.leave(first);
    },
  );

  it(
    'goes on by its id on another node when its own was killed during a poll',
    { timeout: 60_000 },
    async () => {
      const dying = await startGateway({ REDIS_URL: redis.url, CHANNELS });
      const client = await PollClient.open(dying, bearer('pia'), '?channels=room:p');
      await client.until(() => client.dataOf('$subscribed').length === 1, second);
      await publish('room:p', 1, 2);
      await client.until(() => client.id.endsWith('/2'), second);
      const waiting = client.peek(first);
      const direct = client.peek(dying).catch(() => undefined);
      await dying.stop();
      await publish('room:p', 3, 4);
      expect([503, 410]).toContain((await waiting).status);
      await direct;
      const back = await PollClient.open(
        first,
        { ...bearer('pia'), 'last-event-id': client.id },
        '?channels=room:p',
      );
      await publish('room:p', 5);
      await back.until(() => back.dataOf('count').length >= 3, second, first);
      expect([...client.dataOf('count'), ...back.dataOf('count')]).toEqual([1, 2, 3, 4, 5]);
      await vi.waitFor(async () => expect((await client.peek(first)).status).toBe(410), { timeout: 40_000 });
      await back.leave(first);
    },
  );

  it('goes on where Redis lost all that it knew, whichever node is asked', { timeout: 60_000 }, async () => {
    const client = await open('quy', '?channels=room:q');
    await client.until(() => client.dataOf('$subscribed').length === 1, second);
    await redis.kill();
    await redis.restart();
    // As soon as Redis is back: nobody has written anything anew.
    await vi.waitFor(() => publish('room:q', 1), WAIT);
    let [answer] = [await client.poll(second)];
    for (; answer.status === 503; answer = await client.poll(second));
    expect(answer.status).toBe(200);
    await client.until(
      () => client.dataOf('count').length + client.dataOf('$resync').length > 0,
      second,
      first,
    );
    expect(await client.leave(second)).toBe(204);
  });

  it('is given away when its node drains, and so is who polls there for a connection of another', async () => {
    const leaving = await startGateway({ REDIS_URL: redis.url, CHANNELS, DRAIN_WINDOW_MS: '2000' });
    const client = await PollClient.open(leaving, bearer('quy'));
    const guest = await open('roy');
    const polling = client.until(() => client.dataOf('$close').length === 1, second);
    const guestPolls = guest.peek(leaving);
    leaving.child.kill('SIGTERM');
    await polling;
    expect(client.dataOf('$reconnect')).toHaveLength(1);
    expect(client.dataOf('$close')).toMatchObject([{ code: 1001 }]);
    expect([200, 503]).toContain((await guestPolls).status);
    if (leaving.isAlive) await once(leaving.child, 'exit');
    expect(leaving.child.exitCode).toBe(0);
    expect((await guest.peek(second, { cursor: '99' })).status).toBe(409);
    await guest.leave(second);
  });
});

function bearer(user: string): Record<string, string> {
  return { authorization: `Bearer ${tokenFor(user)}` };
}

function send(gateway: RunningGateway, headers: Record<string, string>, body: unknown): Promise<Response> {
  return fetch(`${gateway.url}/send`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}
