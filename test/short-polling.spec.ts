import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  Injectable,
  UseGuards,
} from '@nestjs/common';
import { ConnectedSocket, WebSocketGateway } from '@nestjs/websockets';
import {
  Admission,
  Channel,
  ChannelParam,
  ConnectionRegistry,
  CurrentSession,
  type HandshakeRequest,
  OnSubscribe,
  type RealtimeOptions,
  RealtimeService,
  type Session,
  Visitor,
} from '@aerie/realtime';
import { RealtimeMetrics } from '@aerie/realtime/metrics';
import { RealtimeRedisModule } from '@aerie/realtime/redis';
import { RealtimeTransportsModule, type RealtimeTransportsOptions } from '@aerie/realtime/transports';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { nowSeconds, tokenFor } from './support/gateway.js';
import { CHANNELS, LIMITS } from './support/history-apps.js';
import { type NestApp, type NestAppOptions, startNestApp } from './support/nest-app.js';
import { type RedisServer, startRedis } from './support/redis-server.js';

const ORIGIN = 'https://app.test';
const TRANSPORTS: string[] = [];

/** Knows requests only: a guard of the application as it was before. */
@Injectable()
class NotBanned implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const { session, transport } = context.switchToHttp().getRequest<HandshakeRequest>();
    TRANSPORTS.push(transport);
    return session?.user !== 'banned';
  }
}

@WebSocketGateway({ path: '/ws' })
@UseGuards(NotBanned)
class Gateway {}

@Injectable()
class NoBots implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { session, headers } = context.switchToWs().getClient<Visitor>();
    if (headers['x-throws'] !== undefined) throw new ForbiddenException('a secret of the board');
    return session.user !== 'bot';
  }
}

@Channel('board:{boardId}', { history: LIMITS })
@UseGuards(NoBots)
class Board {
  @OnSubscribe()
  mayRead(
    @CurrentSession() { user }: Session,
    @ChannelParam('boardId') board: string,
    @ConnectedSocket() client: unknown,
  ): boolean {
    return board === user && (client instanceof Visitor || 'send' in Object(client));
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly epoch?: string;
    readonly offset?: number;
    readonly recovered?: boolean;
    readonly publications?: readonly { readonly data: unknown; readonly offset: number }[];
    readonly error?: { readonly code: string; readonly message: string };
  };
}

async function ask(app: NestApp, query: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(app.url(`/events?${query}`), init);
  const text = await response.text();
  const { status, headers } = response;
  return { status, headers, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) };
}

const by = (user: string, headers: Record<string, string> = {}): RequestInit => ({
  headers: { authorization: `Bearer ${tokenFor(user)}`, ...headers },
});
const dataOf = ({ body }: Answer): unknown[] => (body.publications ?? []).map(({ data }) => data);

async function metric(app: NestApp, name: string, outcome: string): Promise<number> {
  const found = await app.get(RealtimeMetrics).registry.getSingleMetric(name)?.get();
  return found?.values.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0;
}

interface AppOptions extends Pick<NestAppOptions, 'platform'> {
  readonly redisUrl?: string;
  readonly prefix?: string;
  readonly transports?: RealtimeTransportsOptions;
  readonly realtime?: Partial<RealtimeOptions>;
}

function start({ redisUrl, prefix, transports = {}, realtime = {}, ...options }: AppOptions = {}) {
  const redis =
    redisUrl === undefined
      ? []
      : [
          RealtimeRedisModule.forRoot({
            url: redisUrl,
            prefix: prefix ?? `spec-${randomUUID()}:`,
            commandTimeoutMs: 500,
          }),
        ];
  return startNestApp(
    {
      imports: [...redis, RealtimeTransportsModule.forRoot(transports)],
      providers: [Gateway, NotBanned, Board, NoBots],
    },
    {
      ...options,
      realtime: {
        channels: CHANNELS,
        userChannel: { history: LIMITS },
        origins: { allowed: [ORIGIN] },
        tickets: true,
        ...realtime,
      },
    },
  );
}

describe('short polling', () => {
  let first: NestApp;
  let second: NestApp;
  let rooms = 0;
  const newRoom = (): string => `room:${(rooms += 1)}`;

  beforeAll(async () => {
    const prefix = `spec-${randomUUID()}:`;
    const redisUrl = inject('redisUrl');
    [first, second] = await Promise.all([
      start({ redisUrl, prefix }),
      start({ redisUrl, prefix, platform: 'fastify' }),
    ]);
  });
  afterAll(() => Promise.all([first?.close(), second?.close()]));

  async function publish(channel: string, ...data: unknown[]): Promise<void> {
    for (const datum of data) await second.get(RealtimeService).channel(channel).publish('count', datum);
  }

  it('brings the newest publications, then on any node what is behind a position', async () => {
    const room = newRoom();
    await publish(room, 1, 2);
    const newest = await ask(first, `channel=${room}`, by('ann'));
    const { epoch = '' } = newest.body;
    expect(newest).toMatchObject({ status: 200, body: { channel: room, offset: 2 } });
    expect(newest.body.publications).toEqual([
      { event: 'count', channel: room, data: 1, offset: 1 },
      { event: 'count', channel: room, data: 2, offset: 2 },
    ]);
    expect(newest.headers.get('content-type')).toBe('application/json; charset=utf-8');
    await publish(room, 3);
    const next = await ask(second, `channel=${room}&after=2&epoch=${epoch}`, by('ann'));
    expect(next.body).toMatchObject({ epoch, offset: 3, recovered: true });
    expect(dataOf(next)).toEqual([3]);
    expect(dataOf(await ask(first, `channel=${room}&after=3&epoch=${epoch}`, by('ann')))).toEqual([]);
    expect(dataOf(await ask(first, `channel=${room}&limit=1`, by('ann')))).toEqual([3]);
    expect((await ask(first, `channel=${newRoom()}`, by('ann'))).body).toMatchObject({ offset: 0 });
  });

  it('answers 304 to who has everything, on any node, and a page as soon as there is more', async () => {
    const room = newRoom();
    await publish(room, 1);
    const page = await ask(first, `channel=${room}`, by('bob'));
    const tag = page.headers.get('etag') ?? '';
    // Weak: publications that expire make a page shorter, and no other one.
    expect(tag).toBe(`W/"${page.body.epoch}/1"`);
    expect(page.headers.get('cache-control')).toBe('private, no-cache');
    const before = await metric(second, 'aerie_short_polls_total', 'unchanged');
    for (const known of [tag, tag.slice(2), `"other", ${tag}`, '*']) {
      const { status, headers, body } = await ask(
        second,
        `channel=${room}`,
        by('bob', { 'if-none-match': known }),
      );
      expect([status, headers.get('etag'), headers.get('cache-control'), body]).toEqual([
        304,
        tag,
        'private, no-cache',
        {},
      ]);
    }
    expect(await metric(second, 'aerie_short_polls_total', 'unchanged')).toBe(before + 4);
    await publish(room, 2);
    const more = await ask(first, `channel=${room}`, by('bob', { 'if-none-match': tag }));
    expect([more.status, dataOf(more)]).toEqual([200, [1, 2]]);
  });

  it('gives no tag to a page behind which there is more, so that nobody stays there', async () => {
    const room = newRoom();
    await publish(room, 1, 2, 3);
    const begin = await ask(first, `channel=${room}&after=0&limit=2`, by('cyd'));
    expect([begin.headers.get('etag'), dataOf(begin), begin.body.offset]).toEqual([null, [1, 2], 3]);
    const rest = await ask(first, `channel=${room}&after=2&limit=2&epoch=${begin.body.epoch}`, by('cyd'));
    expect([rest.headers.get('etag'), dataOf(rest)]).toEqual([`W/"${begin.body.epoch}/3"`, [3]]);
  });

  it('says that a position is lost, and where to go on, instead of leaving a gap', async () => {
    const room = newRoom();
    await publish(room, ...Array.from({ length: LIMITS.size + 5 }, (_, index) => index + 1));
    const { epoch } = (await ask(first, `channel=${room}&limit=1`, by('dan'))).body;
    for (const [after, of] of [
      [0, 'another'],
      [3, epoch],
      [9_999, epoch],
    ] as const) {
      const lost = await ask(first, `channel=${room}&after=${after}&epoch=${of}`, by('dan'));
      expect(lost).toMatchObject({
        status: 200,
        body: { recovered: false, epoch, offset: 105, publications: [] },
      });
      expect(lost.headers.get('etag')).toBeNull();
    }
    const kept = await ask(first, `channel=${room}&after=5&epoch=${epoch}`, by('dan'));
    expect([kept.body.recovered, dataOf(kept).length]).toEqual([true, 100]);
  });

  it('asks the rules of a channel class, with their guards, about a visitor without a connection', async () => {
    for (const app of [first, second]) {
      expect((await ask(app, 'channel=board:eve', by('eve'))).status).toBe(200);
      const refused = [
        await ask(app, 'channel=board:eve', by('fay')),
        await ask(app, 'channel=board:bot', by('bot')),
        await ask(app, 'channel=board:eve', by('eve', { 'x-throws': '1' })),
        await ask(app, 'channel=nowhere', by('fay')),
        await ask(app, 'channel=secret:1', by('fay')),
        await ask(app, 'channel=user:eve', by('fay')),
      ];
      for (const { status, body } of refused)
        expect([status, body]).toEqual([
          403,
          { error: { code: 'forbidden', message: 'no such channel, or not allowed' } },
        ]);
    }
    const eve = await first.connect('eve');
    expect(await eve.request('$subscribe', { channel: 'board:eve' })).toMatchObject({ data: {} });
  });

  it("reads a user's own channel", async () => {
    await second.get(RealtimeService).channel('user:gil').publish('note', 1);
    expect(dataOf(await ask(first, 'channel=user:gil', by('gil')))).toEqual([1]);
  });

  it.each<[string, string, RequestInit, number, string]>([
    ['without a credential', 'channel=room:x', {}, 401, 'unauthenticated'],
    ['with a bad one', 'channel=room:x', { headers: { authorization: 'Bearer no' } }, 401, 'unauthenticated'],
    ['whom a guard of the gateway refuses', 'channel=room:x', by('banned'), 403, 'forbidden'],
    ['from a foreign page', 'channel=room:x', by('hal', { origin: 'https://evil.test' }), 403, 'forbidden'],
    ['for a channel without a history', 'channel=plain:x', by('hal'), 404, 'not_found'],
    ['for no channel', '', by('hal'), 400, 'invalid'],
    ['for what is no channel', 'channel=a%20b', by('hal'), 400, 'invalid'],
    ['for two channels', 'channel=room:x&channel=room:y', by('hal'), 400, 'invalid'],
    ['with an offset that is none', 'channel=room:x&after=1e3', by('hal'), 400, 'invalid'],
    ['with a negative one', 'channel=room:x&after=-1', by('hal'), 400, 'invalid'],
    ['with a huge one', `channel=room:x&after=${'9'.repeat(16)}`, by('hal'), 400, 'invalid'],
    ['with two', 'channel=room:x&after=1&after=2', by('hal'), 400, 'invalid'],
    ['with an epoch alone', 'channel=room:x&epoch=a', by('hal'), 400, 'invalid'],
    ['with an empty epoch', 'channel=room:x&after=1&epoch=', by('hal'), 400, 'invalid'],
    ['with a limit of 0', 'channel=room:x&limit=0', by('hal'), 400, 'invalid'],
    ['with a limit of 101', 'channel=room:x&limit=101', by('hal'), 400, 'invalid'],
    [
      'who asks for the unknown with a tag',
      'channel=nowhere',
      by('hal', { 'if-none-match': '*' }),
      403,
      'forbidden',
    ],
    ['for none with a tag', 'channel=plain:x', by('hal', { 'if-none-match': '*' }), 404, 'not_found'],
  ])('refuses who asks %s, and counts it with the handshakes', async (_how, query, init, status, code) => {
    const before = await metric(first, 'aerie_handshakes_total', code);
    const answer = await ask(first, query, init);
    expect([answer.status, answer.body.error?.code]).toEqual([status, code]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await metric(first, 'aerie_handshakes_total', code)).toBe(before + 1);
  });

  it('refuses sessions that are over', async () => {
    const token = tokenFor('ida', { exp: nowSeconds() - 60 });
    expect(
      (await ask(first, 'channel=room:x', { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(401);
    const before = by('ida');
    expect((await ask(second, 'channel=room:x', before)).status).toBe(200);
    await first.get(RealtimeService).revoke({ user: 'ida' });
    expect((await ask(first, 'channel=room:x', before)).status).toBe(401);
  });

  it('takes a ticket once, and then the proof of a connection', async () => {
    const { ticket } = (await (
      await fetch(first.url('/tickets'), {
        method: 'POST',
        ...by('jan', { 'content-type': 'application/json' }),
      })
    ).json()) as { ticket: string };
    expect((await ask(second, `channel=room:x&ticket=${ticket}`)).status).toBe(200);
    expect((await ask(first, `channel=room:x&ticket=${ticket}`)).status).toBe(401);
    const polled = (await (await fetch(first.url('/poll'), by('jan'))).json()) as {
      connection: string;
      frames: { data: { resume: string } }[];
    };
    const resume = polled.frames[0]?.data.resume ?? '';
    expect(
      (await ask(second, `channel=room:x&ticket=${ticket}`, { headers: { 'aerie-resume': resume } })).status,
    ).toBe(200);
    await fetch(second.url('/poll'), {
      method: 'DELETE',
      ...by('jan', { 'aerie-connection': polled.connection }),
    });
  });

  it('lets a page of an allowed origin read the tag and send it, and the cookie-less GET of an own one pass', async () => {
    const preflight = await ask(first, '', {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization, if-none-match',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('If-None-Match');
    expect(preflight.headers.get('access-control-allow-methods')).toBe('GET, HEAD, OPTIONS');
    const page = await ask(first, 'channel=room:x', by('kim', { origin: ORIGIN }));
    expect(page.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(page.headers.get('access-control-expose-headers')).toBe('ETag, Retry-After');
    expect(page.headers.get('vary')).toBe('Origin');
  });

  it('answers HEAD as GET, without the body, and no other method', async () => {
    const room = newRoom();
    await publish(room, 1);
    const got = await ask(first, `channel=${room}`, by('lea'));
    const head = await ask(first, `channel=${room}`, { method: 'HEAD', ...by('lea') });
    for (const name of ['etag', 'content-length', 'content-type', 'cache-control'])
      expect(head.headers.get(name)).toBe(got.headers.get(name));
    expect([head.status, head.body]).toEqual([200, {}]);
    expect((await ask(first, `channel=${room}`, { method: 'POST', ...by('lea') })).status).toBe(405);
  });

  it('opens no connection, and needs no place of one', async () => {
    const app = await start({ realtime: { limits: { maxConnections: 1, maxConnectionsPerUser: 1 } } });
    try {
      await app.connect('mia');
      TRANSPORTS.length = 0;
      expect((await ask(app, 'channel=room:1', by('mia'))).status).toBe(200);
      expect(TRANSPORTS).toEqual(['short-polling']);
      expect(app.get(ConnectionRegistry).size).toBe(1);
      app.get(Admission).closeDoor();
      const { status, headers, body } = await ask(app, 'channel=room:1', by('mia'));
      expect([status, headers.get('retry-after'), body.error?.code]).toEqual([503, '1', 'draining']);
    } finally {
      await app.close();
    }
  });

  it('has the budget of a connection’s messages for each user', async () => {
    const app = await start({ realtime: { limits: { messagesPerSecond: 0.001, messagesBurst: 3 } } });
    try {
      for (let turn = 0; turn < 3; turn += 1)
        expect((await ask(app, 'channel=room:1', by('nat'))).status).toBe(200);
      const { status, headers, body } = await ask(app, 'channel=room:1', by('nat'));
      expect([status, headers.get('retry-after'), body.error?.code]).toEqual([429, '1', 'rate_limited']);
      expect((await ask(app, 'channel=room:1', by('oda'))).status).toBe(200);
    } finally {
      await app.close();
    }
  });

  it('can be left out', async () => {
    const app = await start({ transports: { shortPolling: false } });
    try {
      expect((await fetch(app.url('/events?channel=room:1'), by('pia'))).status).toBe(404);
    } finally {
      await app.close();
    }
  });
});

describe('short polling while Redis is away', () => {
  let redis: RedisServer | undefined;
  let app: NestApp | undefined;
  afterEach(async () => {
    await app?.close();
    await redis?.stop();
  });

  it('says so, and when to come back', async () => {
    redis = await startRedis();
    app = await start({ redisUrl: redis.url });
    const { headers: found } = await ask(app, 'channel=room:1', by('quy'));
    await redis.stop();
    for (const more of [{}, { 'if-none-match': found.get('etag') ?? '' }]) {
      const { status, headers, body } = await ask(app, 'channel=room:1', by('quy', more));
      expect([status, headers.get('retry-after'), body.error?.code]).toEqual([503, '1', 'unavailable']);
    }
  });
});
